"""Where token rows come from: arrays in memory, or prepared pieces opened when they are asked for, in bounded memory.

Knows nothing of batches.
"""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from outcrop.domain.errors import JobFailure, SealBroken
from outcrop.prepared.folder import PreparedFolder
from outcrop.prepared.piece import Piece, from_bytes, measure
from outcrop.text.rows import TokenRows
from outcrop.training.order import epoch_order, windowed_order

# Plaintext rows held at once, over all sets of a job: 13 million tokens. Sets up to this, nearly all that families
# take, are opened once; of larger ones it is the window that is shuffled. Little beside any model in training.
BUFFER_BYTES = 64 << 20
DAMAGE = (OSError, ValueError, SealBroken)

Ids = NDArray[np.uint32]
Mask = NDArray[np.bool_]


class RowSource(Protocol):
    """Rows by number: how many tokens each has, how many are learnt, and where the last of these ends."""

    lengths: NDArray[np.uint32]  # [rows]
    counts: NDArray[np.uint32]  # [rows]
    ends: NDArray[np.uint32]  # [rows]

    def row(self, at: int) -> tuple[Ids, Mask]:
        """A row's `ends[at]` tokens, and which of them are learnt (never the first)."""

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """An epoch's order: every row once; a function of seed and epoch alone."""


class HeldRows:
    """All rows in memory."""

    def __init__(self, rows: TokenRows) -> None:
        self._ids, self._starts = rows.tokens, rows.offsets[:-1]
        self._trained = rows.trained.astype(bool)
        self._trained[self._starts[self._starts < len(self._trained)]] = False  # nothing comes before a first token
        counts, ends = measure(self._trained, rows.offsets)
        self.lengths = np.diff(rows.offsets).astype(np.uint32)
        self.counts, self.ends = counts.astype(np.uint32), ends.astype(np.uint32)

    def row(self, at: int) -> tuple[Ids, Mask]:
        """See RowSource."""
        start = int(self._starts[at])
        end = start + int(self.ends[at])
        return self._ids[start:end], self._trained[start:end]

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """See RowSource."""
        return epoch_order(len(self.counts), seed, epoch)


class PieceBuffer:
    """Opened pieces, those used last; room is made before one is opened, so that `held_bytes` never exceeds `limit`.

    Only a piece that is larger than the limit by itself does, alone.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held_bytes = 0
        self._held: OrderedDict[tuple[object, int], tuple[Piece, int]] = OrderedDict()

    def get(self, place: tuple[object, int], size: int, load: Callable[[], Piece]) -> Piece:
        """The piece at `place`, of `size` bytes; `load` opens it where it is not held."""
        found = self._held.get(place)
        if found is not None:
            self._held.move_to_end(place)
            return found[0]
        while self._held and self.held_bytes + size > self.limit:
            self.held_bytes -= self._held.popitem(last=False)[1][1]
        piece = load()
        self._held[place] = piece, size
        self.held_bytes += size
        return piece


class PreparedRows:
    """The rows of a prepared set; what lies in memory is three numbers a row, and what `buffer` holds."""

    def __init__(self, folder: PreparedFolder, buffer: PieceBuffer) -> None:
        self._folder, self._buffer = folder, buffer
        self._manifest = folder.manifest()
        numbers = folder.numbers(self._manifest)
        self.lengths, self.counts, self.ends = numbers.lengths, numbers.counts, numbers.ends
        self._starts = np.cumsum([0, *(note.rows for note in self._manifest.pieces)])  # [pieces + 1], first rows

    def row(self, at: int) -> tuple[Ids, Mask]:
        """See RowSource. Raises JobFailure where the row's piece is missing or damaged."""
        number = int(np.searchsorted(self._starts, at, side="right")) - 1
        size = self._manifest.pieces[number].size
        piece = self._buffer.get((self._folder.path, number), size, lambda: self._load(number))
        return piece.row(at - int(self._starts[number]))

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """See RowSource."""
        rows = [note.rows for note in self._manifest.pieces]
        sizes = [note.size for note in self._manifest.pieces]
        return windowed_order(rows, sizes, self._buffer.limit, seed, epoch)

    def _load(self, number: int) -> Piece:
        try:
            return from_bytes(self._folder.noted_piece(number, self._manifest))
        except DAMAGE as error:
            raise cannot_be_read(self._folder.path, error) from error


def cannot_be_read(path: Path, error: Exception) -> JobFailure:
    """What a job that cannot read its rows says."""
    return JobFailure(f"The token rows {path.name} cannot be read: {error}")
