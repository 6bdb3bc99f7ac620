"""What is written a tensor at a time is read by the format's own library."""

import pytest
import torch
from safetensors.torch import load

from outcrop.training.tensor_file import safetensors_chunks


@pytest.mark.parametrize("dtype", [None, torch.float32])
def test_the_librarys_reader_finds_every_tensor(dtype: torch.dtype | None) -> None:
    matrix = torch.arange(12.0).view(3, 4)
    tensors = {"turned": matrix.t(), "narrow": matrix[1:].bfloat16(), "one": torch.tensor(3.0)}
    found = load(b"".join(safetensors_chunks(tensors, {"format": "pt"}, dtype)))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor if dtype is None else tensor.to(dtype))


def test_no_tensor_is_made_before_its_turn() -> None:
    tensors = {name: torch.zeros(4, dtype=torch.bfloat16) for name in ("first", "second")}
    chunks = safetensors_chunks(tensors, None, torch.float32)
    next(chunks)
    assert len(next(chunks)) == 16
    tensors["second"] += 1
    assert bytes(next(chunks)) == torch.ones(4).numpy().tobytes()
