"""Token rows as they travel from the worker to the training child: one stream, writable and readable in order.

Layout, little-endian: the magic, then blocks of [rows u32, tokens u32, lengths u32 x rows, ids u32 x tokens,
trained u8 x tokens], then a block of zero rows that carries the totals, so that a stream cut short is noticed.
Knows nothing of encryption or of where the bytes lie.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from outcrop.domain.row_statistics import RowStatistics
from outcrop.text.rendered import Rendered

MAGIC = b"OUTROWS\x01"
# A block is flushed at this many tokens: big enough for few calls, small enough for constant memory.
BLOCK_TOKENS = 1 << 16
_HEAD = struct.Struct("<II")
_TOTALS = struct.Struct("<QQQ")

Number = TypeVar("Number", np.uint32, np.uint8)


class Writer(Protocol):
    """Anything bytes can be written to."""

    def write(self, data: bytes, /) -> object:
        """Take all of `data`."""


class Reader(Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsSummary:
    """What was written. `statistics` is what an estimate needs to know of it."""

    rows: int
    tokens: int
    trained_tokens: int
    longest: int
    statistics: RowStatistics = field(default_factory=RowStatistics)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRows:
    """All rows, flat: row `i` is `tokens[offsets[i]:offsets[i + 1]]`, with the mask beside it."""

    tokens: NDArray[np.uint32]
    trained: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def write_rows(rows: Iterable[Rendered], writer: Writer) -> RowsSummary:
    """Write every row in order, in constant memory."""
    writer.write(MAGIC)
    block: list[Rendered] = []
    statistics = RowStatistics()
    held = count = tokens = trained = longest = 0
    for row in rows:
        block.append(row)
        size = len(row.ids)
        held, count, tokens = held + size, count + 1, tokens + size
        trained, longest = trained + row.trained_count, max(longest, size)
        statistics += RowStatistics.of_row(row.trained)
        if held >= BLOCK_TOKENS:
            writer.write(_block(block))
            block, held = [], 0
    if block:
        writer.write(_block(block))
    writer.write(_HEAD.pack(0, 0) + _TOTALS.pack(count, tokens, trained))
    return RowsSummary(rows=count, tokens=tokens, trained_tokens=trained, longest=longest, statistics=statistics)


def read_rows(reader: Reader) -> TokenRows:
    """All rows of a stream that `write_rows` wrote. Raises ValueError where it was cut short or is something else."""
    if _exactly(reader, len(MAGIC)) != MAGIC:
        raise ValueError("not a stream of token rows")
    lengths: list[NDArray[np.uint32]] = []
    tokens: list[NDArray[np.uint32]] = []
    trained: list[NDArray[np.uint8]] = []
    while True:
        rows, size = _HEAD.unpack(_exactly(reader, _HEAD.size))
        if rows == 0:
            break
        lengths.append(np.frombuffer(_exactly(reader, 4 * rows), dtype="<u4"))
        tokens.append(np.frombuffer(_exactly(reader, 4 * size), dtype="<u4"))
        trained.append(np.frombuffer(_exactly(reader, size), dtype=np.uint8))
    found = TokenRows(tokens=_flat(tokens, np.uint32), trained=_flat(trained, np.uint8), offsets=_offsets(lengths))
    _agree(found, _TOTALS.unpack(_exactly(reader, _TOTALS.size)))
    return found


def _block(rows: list[Rendered]) -> bytes:
    lengths = np.fromiter((len(row.ids) for row in rows), dtype="<u4", count=len(rows))
    size = int(lengths.sum())
    ids = np.fromiter((token for row in rows for token in row.ids), dtype="<u4", count=size)
    trained = np.fromiter((learnt for row in rows for learnt in row.trained), dtype=np.uint8, count=size)
    return _HEAD.pack(len(rows), size) + lengths.tobytes() + ids.tobytes() + trained.tobytes()


def _exactly(reader: Reader, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = reader.read(size - len(found))
        if not piece:
            raise ValueError("the stream of token rows was cut short")
        found += piece
    return bytes(found)


def _flat(pieces: "list[NDArray[Number]]", kind: type[Number]) -> "NDArray[Number]":
    return np.concatenate([np.zeros(0, dtype=kind), *pieces])


def _offsets(lengths: list[NDArray[np.uint32]]) -> NDArray[np.int64]:
    ends = np.cumsum(_flat(lengths, np.uint32), dtype=np.int64)
    return np.concatenate([np.zeros(1, dtype=np.int64), ends])


def _agree(found: TokenRows, totals: tuple[int, int, int]) -> None:
    if (len(found), len(found.tokens), int(found.trained.sum(dtype=np.int64))) != totals or found.offsets[-1] != totals[
        1
    ]:
        raise ValueError("the stream of token rows does not hold what its end says")
