"""A prepared set on disk: `piece-000000` and on, `index`, `manifest`, each sealed and bound to job, set and name.

A file has its name only once it is whole and on disk, and its content follows from the folder's name (a digest of all
that went into it): whoever writes a piece again writes the same, so that two attempts cannot harm each other here.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from outcrop.domain.errors import SealBroken
from outcrop.domain.row_statistics import RowStatistics
from outcrop.prepared.manifest import Manifest
from outcrop.prepared.piece import Numbers
from outcrop.sealed import SealedReader, SealedWriter, contexts

MANIFEST, INDEX = "manifest", "index"


@dataclass(frozen=True, slots=True)
class RowNumbers:
    """Of every row of a set: its tokens, how many are learnt, and where the last of these ends."""

    lengths: Numbers  # [rows]
    counts: Numbers  # [rows]
    ends: Numbers  # [rows]

    def to_bytes(self) -> bytes:
        """As `from_bytes` reads it."""
        return b"".join(part.astype("<u4").tobytes() for part in (self.lengths, self.counts, self.ends))

    def statistics(self) -> RowStatistics:
        """Sums over the rows: `ends` counts the tokens up to a row's last learnt one, which is only predicted."""
        computed = self.ends.astype(np.int64) - 1
        return RowStatistics(
            rows=len(self.lengths),
            tokens=int(self.lengths.sum(dtype=np.int64)),
            trained_tokens=int(self.counts.sum(dtype=np.int64)),
            computed_tokens=int(computed.sum()),
            longest=int(computed.max(initial=0)),
            squares=int((computed * computed).sum()),
        )

    @staticmethod
    def from_bytes(content: bytes) -> "RowNumbers":
        """What `to_bytes` wrote. Raises ValueError where it cannot be that."""
        lengths, counts, ends = np.frombuffer(content, "<u4").reshape(3, -1)
        return RowNumbers(lengths, counts, ends)

    @staticmethod
    def joined(parts: Sequence["RowNumbers"]) -> "RowNumbers":
        """The numbers of all parts' rows, in order."""
        return RowNumbers(
            _joined([part.lengths for part in parts]),
            _joined([part.counts for part in parts]),
            _joined([part.ends for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class PreparedFolder:
    """A set's folder; its name is the set's digest. Reading raises OSError, SealBroken or ValueError."""

    path: Path
    job_id: str
    key: bytes = field(repr=False)

    def write_piece(self, number: int, content: bytes) -> None:
        """Seal a piece; on disk before this returns."""
        self._write(piece_name(number), content)

    def read_piece(self, number: int) -> bytes:
        """A piece's bytes, as they were written."""
        return self._read(piece_name(number))

    def finish(self, manifest: Manifest, numbers: RowNumbers) -> None:
        """The set is whole: its index, then the manifest that says so."""
        self._write(INDEX, numbers.to_bytes())
        self._write(MANIFEST, manifest.to_json())

    def manifest(self) -> Manifest:
        """What the set holds."""
        return Manifest.from_json(self._read(MANIFEST))

    def numbers(self, manifest: Manifest) -> RowNumbers:
        """Every row's numbers, without opening a piece."""
        content = self._read(INDEX)
        require_same(content, manifest.index_sha256)
        return RowNumbers.from_bytes(content)

    def noted_piece(self, number: int, manifest: Manifest) -> bytes:
        """A piece that must be the one of the manifest."""
        content = self.read_piece(number)
        require_same(content, manifest.pieces[number].sha256)
        return content

    def is_whole(self, check: Callable[[], None]) -> bool:
        """Whether every file of the set opens and is what the manifest says. `check` is called on the way."""
        try:
            manifest = self.manifest()
            self.numbers(manifest)
            for number in range(len(manifest.pieces)):
                check()
                self.noted_piece(number, manifest)
        except (OSError, SealBroken, ValueError):
            return False
        return True

    def _write(self, name: str, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with SealedWriter(self.path / name, self.key, self._context(name)) as sealed:
            sealed.write(content)

    def _read(self, name: str) -> bytes:
        with SealedReader(self.path / name, self.key, self._context(name)) as sealed:
            return b"".join(sealed.pieces())

    def _context(self, name: str) -> bytes:
        return contexts.of_prepared_file(self.job_id, self.path.name, name)


def _joined(parts: Sequence[Numbers]) -> Numbers:
    return np.concatenate([np.zeros(0, dtype="<u4"), *parts])


def piece_name(number: int) -> str:
    """How a piece's file is called."""
    return f"piece-{number:06d}"


def sha256(content: bytes) -> str:
    """The hash that manifests hold."""
    return hashlib.sha256(content).hexdigest()


def require_same(content: bytes, noted: str) -> None:
    """Raises ValueError where the content is not what was noted."""
    if sha256(content) != noted:
        raise ValueError("prepared rows are not those that their manifest names")
