"""Token rows -> optimizer batches -> packed pieces, without padding and without dropping a row. Knows no model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from outcrop.domain.errors import JobFailure
from outcrop.modeling.packed import Packed
from outcrop.text.rows import TokenRows
from outcrop.training.sources import HeldRows, RowSource

# Tokens computed at once: twice as many are 6 to 20 % faster and cost half as much memory again, which was preferred
# to the time; half as many cost more time than they spare memory. A longer row is a piece of its own.
PIECE_TOKENS = 1024
NAMED_ROWS = 10  # so many rows are named where some cannot be learnt from: enough to see a pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some rows of a batch, and what is learnt from them: `targets[i]` is predicted from token `wanted[i]`."""

    packed: Packed
    wanted: torch.Tensor  # int64 [m]
    targets: torch.Tensor  # int64 [m]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One optimizer step's rows."""

    rows: tuple[int, ...]
    trained_tokens: int
    tokens: int


class Rows:
    """Token rows, each cut after its last trained token: what follows can teach nothing."""

    def __init__(self, rows: RowSource | TokenRows) -> None:
        self.source = HeldRows(rows) if isinstance(rows, TokenRows) else rows
        self.lengths, self.counts, self._ends = self.source.lengths, self.source.counts, self.source.ends

    def __len__(self) -> int:
        return len(self.counts)

    def row(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """A row's tokens, cut after its last trained one, and which of them are learnt."""
        ids, trained = self.source.row(number)
        return ids.astype(np.int64), trained

    @property
    def trained_tokens(self) -> int:
        """How many tokens are learnt in all."""
        return int(self.counts.sum(dtype=np.int64))

    def require_trained(self, name: str) -> "Rows":
        """Itself. Raises JobFailure where a row has nothing to learn, and where there is no row."""
        if len(self) == 0:
            raise JobFailure(f"The {name} rows are empty.")
        bare = np.flatnonzero(self.counts == 0)
        if len(bare):
            raise JobFailure(
                f"{len(bare)} of the {len(self)} {name} rows have no token to learn ({named(bare)}): "
                "an answer is empty, or was cut off with what exceeds the context."
            )
        return self

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch: another each epoch, the same for the same seed and rows."""
        return self.source.order(seed, epoch)

    def batches(self, order: Sequence[int] | NDArray[np.int64], size: int) -> Iterator[Batch]:
        """The rows in `order`, `size` at a time; the last batch holds what is left."""
        for start in range(0, len(order), size):
            rows = tuple(int(row) for row in order[start : start + size])
            yield Batch(
                rows=rows,
                trained_tokens=int(self.counts[list(rows)].sum()),
                tokens=sum(self._length(row) for row in rows),
            )

    def pieces(self, batch: Batch, budget: int = PIECE_TOKENS) -> Iterator[Piece]:
        """The batch in packed pieces of at most `budget` tokens; the rows keep their order."""
        held: list[int] = []
        tokens = 0
        for row in batch.rows:
            if held and tokens + self._length(row) > budget:
                yield self._pack(held)
                held, tokens = [], 0
            held.append(row)
            tokens += self._length(row)
        yield self._pack(held)

    def _length(self, row: int) -> int:
        """Tokens that go through the model: the last one only is predicted."""
        return int(self._ends[row]) - 1

    def _pack(self, rows: Sequence[int]) -> Piece:
        found = [self.source.row(row) for row in rows]
        wanted, before = [], 0
        for _, trained in found:
            wanted.append(np.flatnonzero(trained[1:]) + before)
            before += len(trained) - 1
        lengths = tuple(len(ids) - 1 for ids, _ in found)
        return Piece(
            packed=Packed(
                tokens=_joined([ids[:-1] for ids, _ in found]),
                positions=_joined([np.arange(length) for length in lengths]),
                lengths=lengths,
            ),
            wanted=_joined(wanted),
            targets=_joined([ids[trained] for ids, trained in found]),
        )


def named(rows: NDArray[np.int64]) -> str:
    """Rows as people count them: `rows 1, 2, 7 and 12 more`."""
    shown = ", ".join(str(row + 1) for row in rows[:NAMED_ROWS])
    more = len(rows) - NAMED_ROWS
    return f"row{'s' if len(rows) > 1 else ''} {shown}" + (f" and {more} more" if more > 0 else "")


def _joined(parts: Sequence[NDArray[Any]]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts, dtype=np.int64))
