"""A safetensors file's bytes, one tensor after the other, so that no second copy of them all is made. Knows no file."""

import json
import struct
from collections.abc import Iterator, Mapping

import torch

_DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.bfloat16: "BF16", torch.int64: "I64", torch.uint8: "U8"}
_ALIGNMENT = 8  # readers map tensors into memory, where they must not begin anywhere


def safetensors_chunks(
    tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None, dtype: torch.dtype | None = None
) -> Iterator[bytes | memoryview]:
    """The file's bytes. Each tensor goes to the CPU and into `dtype` when its turn comes; None: it keeps its type."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, tensor in tensors.items():
        kept = dtype or tensor.dtype
        start, end = end, end + tensor.numel() * kept.itemsize
        header[name] = {"dtype": _DTYPES[kept], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield struct.pack("<Q", len(text)) + text
    for tensor in tensors.values():
        own = tensor.to("cpu", dtype or tensor.dtype).contiguous()
        yield own.reshape(-1).view(torch.uint8).numpy().data
