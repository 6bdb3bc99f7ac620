"""Causal attention within rows laid end to end: in one call for all where the card has one, else row by row.

Knows nothing of positions, projections or of how rows were packed.
"""

import functools
import importlib
import inspect
import logging
from itertools import accumulate

import torch
from torch.nn.functional import scaled_dot_product_attention

from outcrop.modeling.transfer import moved

LOG = logging.getLogger(__name__)
HALVES = (torch.bfloat16, torch.float16)
# Flash attention's limits: with wider heads its backward pass runs on some cards only, and it reads 8 numbers a time.
LARGEST_HEAD, HEAD_MULTIPLE = 192, 8
FIRST_CAPABILITY = (8, 0)  # Ampere: older cards have no such kernel
NEEDED = {"window_size", "enable_gqa"}
CAUSAL = (-1, 0)  # everything before a token, nothing after it
KEPT_BOUNDS = 4  # every layer of a piece asks for the same; pieces come one after the other


def attend_rows(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, lengths: tuple[int, ...]
) -> torch.Tensor:
    """Each query's mixture of the values up to it in its row: [n, heads, size], in the queries' type.

    `queries` is [n, heads, size], `keys` and `values` [n, key heads, size], of which as many heads share each.
    """
    in_one = _in_one_call(queries.device, queries.dtype, queries.shape[-1])
    return (_at_once if in_one else _row_by_row)(queries, keys, values, lengths)


def obstacle(flash: bool, capability: tuple[int, int], dtype: torch.dtype, head_size: int) -> str | None:
    """Why rows cannot go in one call on a card of this capability; None: they can.

    `flash`: whether torch was built with flash attention.
    """
    found = (
        (flash, "this torch was built without flash attention"),
        (_torch_has_it(), f"torch {torch.__version__} has no varlen_attn that does what is needed"),
        (capability >= FIRST_CAPABILITY, f"a card of capability {capability} has no kernel for it"),
        (dtype in HALVES, f"the kernel computes in 16 bits, not in {dtype}"),
        (head_size <= LARGEST_HEAD and head_size % HEAD_MULTIPLE == 0, f"the kernel takes no heads of {head_size}"),
    )
    return next((reason for met, reason in found if not met), None)


@functools.cache
def _in_one_call(device: torch.device, dtype: torch.dtype, head_size: int) -> bool:
    """Decided once for each device and shape; on a card the log says what was."""
    if device.type != "cuda":
        return False
    flash, capability = torch.backends.cuda.is_flash_attention_available(), torch.cuda.get_device_capability(device)
    reason = obstacle(flash, capability, dtype, head_size)
    LOG.info("Attention goes %s.", "over all rows in one call" if reason is None else f"row by row: {reason}")
    return reason is None


def _at_once(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    begins, longest = bounds(lengths, queries.device), max(lengths)
    varlen_attn = importlib.import_module("torch.nn.attention.varlen").varlen_attn
    mixed: torch.Tensor = varlen_attn(
        queries, keys, values, begins, begins, longest, longest, window_size=CAUSAL, enable_gqa=True
    )
    return mixed


@functools.lru_cache(maxsize=KEPT_BOUNDS)
def bounds(lengths: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Where each row begins, and where the last one ends: int32 [rows + 1]."""
    return moved(torch.tensor([0, *accumulate(lengths)], dtype=torch.int32), device)


def _row_by_row(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, lengths: tuple[int, ...]
) -> torch.Tensor:
    share = queries.shape[1] // keys.shape[1]
    if share > 1:
        keys, values = (part.repeat_interleave(share, dim=1) for part in (keys, values))
    whole = [
        _in_fast_type(part).transpose(0, 1).unsqueeze(0) for part in (queries, keys, values)
    ]  # [1, heads, n, size]
    rows = zip(*(part.split(lengths, dim=2) for part in whole), strict=True)
    answers = [scaled_dot_product_attention(q, k, v, is_causal=True) for q, k, v in rows]
    return torch.cat(answers, dim=2).squeeze(0).transpose(0, 1).to(queries.dtype)


def _in_fast_type(part: torch.Tensor) -> torch.Tensor:
    """torch's bfloat16 attention on a CPU takes five times as long backwards as float32 on rows under 100 tokens."""
    return part.float() if part.device.type == "cpu" and part.dtype == torch.bfloat16 else part


@functools.cache
def _torch_has_it() -> bool:
    """Its first versions knew neither grouped queries nor windows."""
    try:
        found = importlib.import_module("torch.nn.attention.varlen").varlen_attn
    except (ImportError, AttributeError):
        return False
    return {*inspect.signature(found).parameters} >= NEEDED
