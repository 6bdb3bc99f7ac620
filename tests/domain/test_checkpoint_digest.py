"""A checkpoint keeps its digest wherever it lies, and loses it with its weights."""

import json
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from outcrop.domain.checkpoint_digest import PIECE_BYTES, digest_of, require_unchanged, told
from outcrop.domain.errors import CheckpointError

LARGE = 16 * PIECE_BYTES  # numbers of a byte


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Two files; in the first one a small tensor between two large ones."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "tokenizer.json").write_text("{}")
    numbers = np.random.default_rng(7)
    large = {name: numbers.integers(256, size=LARGE, dtype=np.uint8) for name in ("a", "c")}
    save_file({**large, "b": np.arange(5, dtype=np.uint8)}, folder / "model-1.safetensors")
    save_file({"d": numbers.integers(256, size=LARGE, dtype=np.uint8)}, folder / "model-2.safetensors")
    return folder


def change_byte(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        (was,) = file.read(1)
        file.seek(at)
        file.write(bytes([was ^ 1]))


def middle_of(path: Path, name: str) -> int:
    """Where the middle of a tensor lies in its file."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    begin, end = json.loads(content[8 : 8 + length])[name]["data_offsets"]
    return 8 + length + (int(begin) + int(end)) // 2


def test_a_copy_has_the_same_digest_whatever_its_times_and_whatever_else_lies_there(
    checkpoint: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(checkpoint, tmp_path / "copy", copy_function=shutil.copyfile))
    (copy / "README.md").write_text("what it is")
    assert digest_of(copy) == digest_of(checkpoint)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_every_tensor_is_looked_at(checkpoint: Path, name: str) -> None:
    before, file = digest_of(checkpoint), checkpoint / "model-1.safetensors"
    change_byte(file, middle_of(file, name))
    assert digest_of(checkpoint) != before


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file renamed": lambda folder: (folder / "model-2.safetensors").rename(folder / "model-3.safetensors"),
    "a file gone": lambda folder: (folder / "model-2.safetensors").unlink(),
    "a file longer": lambda folder: os.truncate(folder / "model-2.safetensors", 2 * LARGE),
    "a tensor renamed": lambda folder: change_byte(folder / "model-2.safetensors", 10),
    "another config": lambda folder: (folder / "config.json").write_text('{"model_type": "qwen2"}'),
    "another vocabulary": lambda folder: (folder / "tokenizer.json").write_text('{"version": "1.0"}'),
    "no vocabulary": lambda folder: (folder / "tokenizer.json").unlink(),
    "another chat template": lambda folder: (folder / "tokenizer_config.json").write_text('{"chat_template": ""}'),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_makes_another_model_makes_another_digest(checkpoint: Path, change: Callable[[Path], object]) -> None:
    before = digest_of(checkpoint)
    change(checkpoint)
    assert digest_of(checkpoint) != before


def test_text_that_moves_from_one_file_into_the_next_makes_another_digest(checkpoint: Path) -> None:
    before = digest_of(checkpoint)
    one, two = checkpoint / "config.json", checkpoint / "tokenizer.json"
    text = one.read_text()
    one.write_text(text[:-1])
    two.write_text(text[-1] + two.read_text())
    assert digest_of(checkpoint) != before


def test_a_large_tensor_is_not_read_whole(checkpoint: Path) -> None:
    """Nor held: weights are larger than memory."""
    size = 2**28
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    large = checkpoint / "model-3.safetensors"
    large.write_bytes(len(header).to_bytes(8, "little") + header)
    with large.open("r+b") as file:
        file.truncate(8 + len(header) + size)
    tracemalloc.start()
    digest_of(checkpoint)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**6


def headed(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no weights at all",
        b"\xff" * 64,
        headed(b"[]"),
        headed(b'{"w": 1}'),
        headed(b'{"w": {"data_offsets": [0, 18446744073709551616]}}'),
        headed(b'{"w": {"data_offsets": [-9, 0]}}'),
        headed(b"[" * 200_000),
    ],
    ids=["empty", "text", "a header of 2^64 bytes", "a list", "no offsets", "too far", "before it", "too deep"],
)
def test_what_is_no_safetensors_file_is_said_by_name(checkpoint: Path, content: bytes) -> None:
    (checkpoint / "model-2.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model-2\.safetensors is no safetensors file"):
        digest_of(checkpoint)


def test_what_cannot_be_read_is_said(checkpoint: Path) -> None:
    (checkpoint / "config.json").unlink()
    (checkpoint / "config.json").mkdir()
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        digest_of(checkpoint)


def test_weights_that_were_changed_meanwhile_are_said_with_both_digests(checkpoint: Path) -> None:
    before = digest_of(checkpoint)
    require_unchanged(checkpoint, before)
    file = checkpoint / "model-1.safetensors"
    change_byte(file, middle_of(file, "b"))
    with pytest.raises(CheckpointError, match=rf"were {told(before)} and are now {told(digest_of(checkpoint))}\."):
        require_unchanged(checkpoint, before)


def test_a_sentence_names_the_beginning_of_a_digest(checkpoint: Path) -> None:
    assert told(digest_of(checkpoint)) == f"sha256:{digest_of(checkpoint)[:16]}"
