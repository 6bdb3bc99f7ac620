"""bfloat16 is chosen where it pays and nothing is risked, and what was stated is always kept."""

import json
from pathlib import Path

import pytest

from outcrop.worker.precision import LARGE_CHECKPOINT_BYTES, Hardware, choose

CUDA = Hardware(cuda=True, bfloat16_cpu=False)
FAST = Hardware(cuda=False, bfloat16_cpu=True)
PLAIN = Hardware(cuda=False, bfloat16_cpu=False)


def checkpoint(folder: Path, size: int, kind: str = "llama") -> Path:
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    return folder


@pytest.mark.parametrize(
    ("machine", "size", "chosen"),
    [
        (CUDA, 1, "bfloat16"),
        (FAST, LARGE_CHECKPOINT_BYTES, "bfloat16"),
        (FAST, LARGE_CHECKPOINT_BYTES - 1, "float32"),
        (PLAIN, LARGE_CHECKPOINT_BYTES, "float32"),
    ],
)
def test_the_machine_and_the_checkpoint_decide(machine: Hardware, size: int, chosen: str, tmp_path: Path) -> None:
    assert choose(None, checkpoint(tmp_path, size), machine) == chosen


def test_what_was_stated_is_kept(tmp_path: Path) -> None:
    assert choose("float32", checkpoint(tmp_path, LARGE_CHECKPOINT_BYTES), CUDA) == "float32"
    assert choose("bfloat16", checkpoint(tmp_path, 1), PLAIN) == "bfloat16"


def test_another_architecture_keeps_float32_on_a_cpu(tmp_path: Path) -> None:
    assert choose(None, checkpoint(tmp_path, LARGE_CHECKPOINT_BYTES, kind="qwen2"), FAST) == "float32"


def test_a_folder_without_a_config_is_left_to_the_child(tmp_path: Path) -> None:
    assert choose(None, tmp_path, FAST) == "float32"


def test_this_machine_is_read_from_its_kernel() -> None:
    assert Hardware.here().bfloat16_cpu is any(
        flag in Path("/proc/cpuinfo").read_text() for flag in ("avx512_bf16", "amx_bf16")
    )
