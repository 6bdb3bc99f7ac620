"""Weights come from one file or from an index of several; what cannot be read is said."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from outcrop.domain.errors import CheckpointError
from outcrop.modeling.weights import fuse, read_tensors, unfuse


def test_an_index_of_several_files_is_read_as_one(tmp_path: Path) -> None:
    for number in (1, 2):
        save_file({f"tensor{number}": torch.full((2,), float(number))}, tmp_path / f"part{number}.safetensors")
    index = {"weight_map": {f"tensor{number}": f"part{number}.safetensors" for number in (1, 2)}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert {name: tensor.tolist() for name, tensor in read_tensors(tmp_path).items()} == {
        "tensor1": [1.0, 1.0],
        "tensor2": [2.0, 2.0],
    }


@pytest.mark.parametrize("content", [None, b"not safetensors"])
def test_unreadable_weights_are_said(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="no readable"):
        read_tensors(tmp_path)


def test_fused_parts_come_apart_again() -> None:
    names = [f"model.layers.3.self_attn.{part}_proj.weight" for part in "qkv"]
    parts = {name: torch.randn(size, 4) for name, size in zip(names, (6, 2, 2), strict=True)}
    apart = unfuse(fuse(parts, 3, "self_attn.qkv"), (6, 2, 2), 3, "self_attn.qkv")
    assert all(torch.equal(apart[name], parts[name]) for name in names)
