"""The compiled steps of kernels.cpp over tensors. Each has a twin in torch, where its callers keep it.

`usable` says whether a tensor can be given to them; there is no gradient here and no check beyond that.
"""

import ctypes
import functools
import logging
import os
from pathlib import Path

import torch

from outcrop.modeling.compiler import NoCompiler, load

LOG = logging.getLogger(__name__)
SWITCH = "OUTCROP_KERNELS"  # "off" keeps to torch
SOURCE = Path(__file__).with_name("kernels.cpp")
_KINDS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library, or None where torch must do; the reason is logged once."""
    if os.environ.get(SWITCH) == "off":
        LOG.info("Training runs on torch alone: %s=off.", SWITCH)
        return None
    try:
        return load(SOURCE)
    except NoCompiler as reason:
        LOG.warning("Training runs on torch alone, at a lower speed: %s.", reason)
        return None


def usable(tensor: torch.Tensor) -> bool:
    """Whether kernels can compute on what is like `tensor`."""
    return tensor.device.type == "cpu" and tensor.dtype in _KINDS and library() is not None


def attend(
    qkv: torch.Tensor, rope: torch.Tensor, lengths: torch.Tensor, heads: tuple[int, int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """`fused.attend`'s answer [n, queries x size] and each softmax's logarithm float32 [n, queries].

    `heads`: queries, keys and their size. `rope`: float32 [2, positions, size / 2]. `lengths`: int64 [rows].
    """
    queries, _, size = heads
    mixed = qkv.new_empty(len(qkv), queries * size)
    log_sums = torch.empty(len(qkv), queries)
    _call("attend", qkv.dtype, qkv, mixed, log_sums, lengths, len(lengths), rope[0], rope[1], *heads)
    return mixed, log_sums


def attend_back(
    gradient: torch.Tensor,
    qkv: torch.Tensor,
    mixed: torch.Tensor,
    log_sums: torch.Tensor,
    rope: torch.Tensor,
    lengths: torch.Tensor,
    heads: tuple[int, int, int],
) -> torch.Tensor:
    """The gradient for `qkv`."""
    for_qkv = torch.empty_like(qkv)
    _call("attend_back", qkv.dtype, qkv, mixed, gradient.contiguous(), log_sums, for_qkv, lengths, len(lengths),
          rope[0], rope[1], *heads)  # fmt: skip
    return for_qkv


def add_norm(
    stream: torch.Tensor, update: torch.Tensor | None, weight: torch.Tensor, epsilon: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The sum (`stream` itself without `update`), its norm in `dtype`, and what was divided by: [n, 1]."""
    total = stream if update is None else torch.empty_like(stream)
    normed, inverse = torch.empty(stream.shape, dtype=dtype), torch.empty(len(stream), 1)
    _call("add_norm", dtype, stream, update, weight, total, normed, inverse, *stream.shape, ctypes.c_float(epsilon))
    return total, normed, inverse


def add_norm_back(
    for_normed: torch.Tensor,
    for_total: torch.Tensor | None,
    total: torch.Tensor,
    weight: torch.Tensor,
    inverse: torch.Tensor,
    updated: torch.dtype | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The gradients for the stream, and for the update where there was one of type `updated`."""
    for_stream = torch.empty_like(total)
    rounded = None if updated in (None, total.dtype) else torch.empty_like(total, dtype=updated)
    _call("add_norm_back", for_normed.dtype, total, weight, inverse, for_normed.contiguous(),
          None if for_total is None else for_total.contiguous(), for_stream, rounded, *total.shape)  # fmt: skip
    return for_stream, for_stream if updated == total.dtype else rounded


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """`fused.swiglu`'s answer."""
    rows, width = len(gate_up), gate_up.shape[1] // 2
    gated = gate_up.new_empty(rows, width)
    _call("swiglu", gate_up.dtype, gate_up, gated, rows, width)
    return gated


def swiglu_back(gate_up: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The gradient for `gate_up`."""
    for_gate_up = torch.empty_like(gate_up)
    _call("swiglu_back", gate_up.dtype, gate_up, gradient.contiguous(), for_gate_up, *gradient.shape)
    return for_gate_up


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Each row's loss (float32); `logits` become their own gradients."""
    losses = torch.empty(len(logits))
    _call("cross_entropy", logits.dtype, logits, targets, losses, *logits.shape)
    return losses


def _call(name: str, dtype: torch.dtype, *arguments: object) -> None:
    held = library()
    assert held is not None, "callers ask `usable` first"
    held[f"{name}_{_KINDS[dtype]}"](*map(_plain, arguments))


def _plain(argument: object) -> object:
    """A tensor goes as its address, a count as C's long."""
    if isinstance(argument, torch.Tensor):
        assert argument.is_contiguous(), "kernels read rows laid end to end"
        return ctypes.c_void_p(argument.data_ptr())
    return ctypes.c_long(argument) if isinstance(argument, int) else argument
