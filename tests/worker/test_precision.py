"""bfloat16 is chosen where it pays and nothing is risked, on what torch itself would compute on."""

import json
from pathlib import Path

import pytest
import torch

from outcrop.config import Settings
from outcrop.families import Checkpoint
from outcrop.worker.planning import hardware
from outcrop.worker.precision import LARGE_CHECKPOINT_BYTES, Hardware, choose

CARD = Hardware(card=True, bfloat16_cpu=False)
FAST = Hardware(card=False, bfloat16_cpu=True)
PLAIN = Hardware(card=False, bfloat16_cpu=False)


def checkpoint(folder: Path, size: int, **config: object) -> Checkpoint:
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"} | config))
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    return Checkpoint(path=folder, name="", stand_in=False, sentence="")


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("hardware", "size", "chosen"),
    [
        (CARD, 1, "bfloat16"),
        (FAST, LARGE_CHECKPOINT_BYTES, "bfloat16"),
        (FAST, LARGE_CHECKPOINT_BYTES - 1, "float32"),
        (PLAIN, LARGE_CHECKPOINT_BYTES, "float32"),
    ],
)
def test_the_machine_and_the_checkpoint_decide(
    hardware: Hardware, size: int, chosen: str, exact: bool, tmp_path: Path
) -> None:
    assert choose(checkpoint(tmp_path, size), hardware, exact) == chosen


@pytest.mark.parametrize("config", [{"model_type": "qwen2"}, {"attention_bias": True}])
def test_another_architecture_keeps_float32_on_a_cpu(config: dict[str, object], tmp_path: Path) -> None:
    assert choose(checkpoint(tmp_path, LARGE_CHECKPOINT_BYTES, **config), FAST, False) == "float32"


def test_what_another_architectures_whole_weights_are_computed_in_is_what_is_chosen(tmp_path: Path) -> None:
    qwen = checkpoint(tmp_path, LARGE_CHECKPOINT_BYTES, model_type="qwen2")
    assert (choose(qwen, CARD, True), choose(qwen, CARD, False)) == ("float32", "bfloat16")


def test_what_torch_sees_decides_whatever_drivers_there_are(tmp_path: Path) -> None:
    assert hardware(Settings(home=tmp_path)).card is torch.cuda.is_available()


def test_the_processor_is_read_from_its_kernel() -> None:
    assert Hardware.of(None).bfloat16_cpu is any(
        flag in Path("/proc/cpuinfo").read_text() for flag in ("avx512_bf16", "amx_bf16")
    )
