"""Rows laid end to end, without padding, and attention that keeps each row to itself. Knows no weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Several rows as one: `tokens` and `positions` int64 [n], and each row's length (their sum is n)."""

    tokens: torch.Tensor
    positions: torch.Tensor
    lengths: tuple[int, ...]

    @staticmethod
    def of(rows: Sequence[torch.Tensor]) -> "Packed":
        """Lays `rows` (int64, one dimension each) end to end; every row's positions count from 0."""
        return Packed(
            tokens=torch.cat(tuple(rows)),
            positions=torch.cat([torch.arange(len(row)) for row in rows]),
            lengths=tuple(len(row) for row in rows),
        )

    def to(self, device: torch.device) -> "Packed":
        """The same rows on `device`."""
        return Packed(tokens=self.tokens.to(device), positions=self.positions.to(device), lengths=self.lengths)


def attend(turned: torch.Tensor, values: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """Causal attention within each row.

    `turned` is [n, heads + key_value_heads, head_size]: queries, then keys, both already turned by position;
    `values` is [n, key_value_heads, head_size]. The answer is [n, heads * head_size].
    """
    groups = turned.shape[1] // values.shape[1] - 1
    queries, keys = turned.split((turned.shape[1] - values.shape[1], values.shape[1]), dim=1)
    if groups > 1:
        keys, values = keys.repeat_interleave(groups, dim=1), values.repeat_interleave(groups, dim=1)
    whole = [
        _in_fast_type(part).transpose(0, 1).unsqueeze(0) for part in (queries, keys, values)
    ]  # [1, heads, n, size]
    parts = zip(*(part.split(lengths, dim=2) for part in whole), strict=True) if len(lengths) > 1 else [whole]
    answers = [scaled_dot_product_attention(q, k, v, is_causal=True) for q, k, v in parts]
    joined = torch.cat(answers, dim=2) if len(answers) > 1 else answers[0]
    return joined.squeeze(0).transpose(0, 1).reshape(turned.shape[0], -1).to(turned.dtype)


def _in_fast_type(part: torch.Tensor) -> torch.Tensor:
    """torch's bfloat16 attention on a CPU takes five times as long backwards as float32 on rows under 100 tokens."""
    return part.float() if part.device.type == "cpu" else part
