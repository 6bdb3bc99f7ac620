"""Rows laid end to end, without padding, and attention that keeps each row to itself. Knows no weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.nn.functional import pad

from outcrop.modeling import kernels
from outcrop.modeling.rope import Turn
from outcrop.modeling.row_attention import attend_rows
from outcrop.modeling.transfer import moved


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
        """The same rows, from the host to `device`."""
        return Packed(tokens=moved(self.tokens, device), positions=moved(self.positions, device), lengths=self.lengths)


# oneDNN builds a program for every shape of a product: a millisecond and some memory each. Of row counts there are
# then few, for one token in a hundred more.
ROWS_MULTIPLE = 32


def rounded_up(packed: Packed, wanted: torch.Tensor | None) -> tuple[Packed, torch.Tensor | None]:
    """The same rows and a row of its own after them, so that the tokens' number is round; and so for those wanted."""
    more = -len(packed.tokens) % ROWS_MULTIPLE
    if more:
        packed = Packed(
            tokens=pad(packed.tokens, (0, more)),
            positions=torch.cat([packed.positions, torch.arange(more)]),
            lengths=(*packed.lengths, more),
        )
    return packed, None if wanted is None else pad(wanted, (0, -len(wanted) % ROWS_MULTIPLE))


class Heads(NamedTuple):
    """How a token's row divides: `queries` heads, then `keys`, then as many values, each of `size` channels."""

    queries: int
    keys: int
    size: int


def attend(qkv: torch.Tensor, rope: torch.Tensor, packed: Packed, heads: Heads) -> torch.Tensor:
    """Causal attention within each row, queries and keys turned by their positions.

    `qkv` is [n, (queries + 2 x keys) x size], `rope` float32 [2, positions, size / 2]: cosines, then sines.
    The answer is [n, queries x size].
    """
    return (_attend_compiled if kernels.usable(qkv) else _attend)(qkv, rope, packed, heads)


def _attend_compiled(qkv: torch.Tensor, rope: torch.Tensor, packed: Packed, heads: Heads) -> torch.Tensor:
    return _Attend.apply(qkv, rope, torch.tensor(packed.lengths), heads)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, qkv: torch.Tensor, rope: torch.Tensor, lengths: torch.Tensor, heads: Heads
    ) -> torch.Tensor:
        mixed, log_sums = kernels.attend(qkv, rope, lengths, heads)
        context.save_for_backward(qkv, mixed, log_sums, rope, lengths)
        context.heads = heads
        return mixed

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        qkv, mixed, log_sums, rope, lengths = context.saved_tensors
        return kernels.attend_back(gradient, qkv, mixed, log_sums, rope, lengths, context.heads), None, None, None


def _attend(qkv: torch.Tensor, rope: torch.Tensor, packed: Packed, heads: Heads) -> torch.Tensor:
    split = qkv.view(len(qkv), -1, heads.size)
    cosine, sine = rope[:, packed.positions].unsqueeze(2)  # [n, 1, size / 2] each
    queries, keys = Turn.apply(split[:, : -heads.keys], cosine, sine).split((heads.queries, heads.keys), dim=1)
    values = split[:, -heads.keys :]
    return attend_rows(queries, keys, values, packed.lengths).reshape(len(qkv), -1)
