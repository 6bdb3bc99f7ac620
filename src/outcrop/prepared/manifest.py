"""What a prepared set holds, written last: where it opens, the set is whole. Knows nothing of files or seals."""

from dataclasses import dataclass

import msgspec

from outcrop.domain.row_statistics import RowStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceNote:
    """One piece: `size` plaintext bytes with that SHA-256."""

    rows: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Counts over all pieces. `tokens` and `longest` are after the cut to what the checkpoint takes.

    `statistics` is what an estimate needs to know of the rows. `truncated_rows` were cut, `skipped_rows` are lines that
    were no record, `empty_answers` rows with one.
    """

    rows: int
    tokens: int
    trained_tokens: int
    longest: int
    statistics: RowStatistics
    truncated_rows: int
    skipped_rows: int
    empty_answers: int
    index_sha256: str
    pieces: tuple[PieceNote, ...]

    def to_json(self) -> bytes:
        """The manifest as JSON."""
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(content: bytes) -> "Manifest":
        """The manifest that `to_json` wrote. Raises ValueError for anything else."""
        return msgspec.json.decode(content, type=Manifest)
