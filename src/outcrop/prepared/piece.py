"""A piece of a prepared set: the token rows of one stretch of the source, as arrays and as bytes. Knows no seal.

Layout, little-endian: the magic, a head (rows, tokens, where in the source the rows stood, what was counted), then
u32 x rows three times (lengths, trained counts, ends), u32 x tokens (ids), u8 x tokens (trained).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.text.rendered import Rendered

FORMAT = 1
_MAGIC = b"OUTPREP" + bytes([FORMAT])
_HEAD = struct.Struct("<IQQQQQII")  # rows, tokens, first line, lines, start, end, truncated rows, empty answers
_ROW_NUMBERS = 3
_NUMBER_BYTES = 4

Numbers = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the source: bytes [start, end), which hold `lines` lines; lines count from 1."""

    first_line: int
    lines: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Row `i` is `tokens[starts[i]:starts[i + 1]]`; `counts[i]` of it are learnt, the last of them before `ends[i]`.

    A row's first token is never learnt: nothing comes before it. A row that teaches nothing ends after its first token.
    """

    span: Span
    starts: NDArray[np.int64]  # [rows + 1]
    counts: Numbers  # [rows]
    ends: Numbers  # [rows], from the row's start
    tokens: Numbers  # [tokens]
    trained: NDArray[np.bool_]  # [tokens]
    truncated_rows: int
    empty_answers: int

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def bare_lines(self) -> list[int]:
        """The lines whose rows teach nothing."""
        return [self.span.first_line + int(row) for row in np.flatnonzero(self.counts == 0)]

    @property
    def lengths(self) -> Numbers:
        """Tokens of each row."""
        return np.diff(self.starts).astype("<u4")

    def row(self, at: int) -> tuple[Numbers, NDArray[np.bool_]]:
        """A row's tokens up to the last that is learnt, and which are: what follows can teach nothing."""
        start = int(self.starts[at])
        end = start + int(self.ends[at])
        return self.tokens[start:end], self.trained[start:end]

    def to_bytes(self) -> bytes:
        """The piece as `from_bytes` reads it."""
        span = self.span
        head = _HEAD.pack(
            len(self),
            len(self.tokens),
            span.first_line,
            span.lines,
            span.start,
            span.end,
            self.truncated_rows,
            self.empty_answers,
        )
        numbers = (self.lengths, self.counts, self.ends, self.tokens)
        return b"".join((_MAGIC, head, *(part.tobytes() for part in numbers), self.trained.tobytes()))


def piece_of(rows: Sequence[Rendered], span: Span, truncated_rows: int = 0, empty_answers: int = 0) -> Piece:
    """The piece that holds these rows."""
    starts = np.cumsum([0, *(len(row.ids) for row in rows)], dtype=np.int64)
    tokens = np.concatenate([np.zeros(0, dtype="<u4"), *(np.array(row.ids, dtype="<u4") for row in rows)])
    trained = np.concatenate([np.zeros(0, dtype=bool), *(np.array(row.trained, dtype=bool) for row in rows)])
    trained[starts[:-1][starts[:-1] < len(trained)]] = False
    counts, ends = measure(trained, starts)
    return Piece(
        span=span,
        starts=starts,
        counts=counts.astype("<u4"),
        ends=ends.astype("<u4"),
        tokens=tokens,
        trained=trained,
        truncated_rows=truncated_rows,
        empty_answers=empty_answers,
    )


def measure(trained: NDArray[np.bool_], starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Trained tokens of each row, and the place after its last one, from the row's start (1 where it has none)."""
    before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(trained, dtype=np.int64)])
    counts = before[starts[1:]] - before[starts[:-1]]
    places = np.append(np.flatnonzero(trained), -1)
    last = places[before[starts[1:]] - 1] - starts[:-1]
    return counts, np.where(counts > 0, last, 0) + 1


def from_bytes(content: bytes) -> Piece:
    """The piece that `to_bytes` wrote, without a copy. Raises ValueError where it is something else, or not whole."""
    front = len(_MAGIC) + _HEAD.size
    if len(content) < front or not content.startswith(_MAGIC):
        raise ValueError("these are no prepared rows of this format")
    rows, tokens, first_line, lines, start, end, truncated, empty = _HEAD.unpack_from(content, len(_MAGIC))
    if len(content) != front + _NUMBER_BYTES * (_ROW_NUMBERS * rows + tokens) + tokens:
        raise ValueError("prepared rows do not have the size that their head says")
    lengths, counts, ends = np.frombuffer(content, "<u4", _ROW_NUMBERS * rows, front).reshape(_ROW_NUMBERS, rows)
    ids_at = front + _NUMBER_BYTES * _ROW_NUMBERS * rows
    return Piece(
        span=Span(first_line=first_line, lines=lines, start=start, end=end),
        starts=np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)]),
        counts=counts,
        ends=ends,
        tokens=np.frombuffer(content, "<u4", tokens, ids_at),
        trained=np.frombuffer(content, bool, tokens, ids_at + _NUMBER_BYTES * tokens),
        truncated_rows=truncated,
        empty_answers=empty,
    )
