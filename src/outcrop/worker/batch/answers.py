"""The answers of a job that runs: sealed segments on this machine's disk, in the order of the records.

A segment holds the lines of consecutive records of one file. It counts once the job's row says so: whoever takes a job
over goes on behind the last one that counts, and what lies beyond is thrown away. An attempt works in a folder named by
its fencing number, so that one that lost its lease writes where nobody reads. Knows nothing of engines.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from outcrop.sealed import SealedReader, SealedWriter, contexts


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the kept answers reach: in which file, its bytes and lines that are done with, and its segments."""

    file: int = 0
    offset: int = 0
    line: int = 0
    segments: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The folder of one attempt's segments."""

    job_id: str
    folder: Path
    key: bytes = field(repr=False)

    def take_over(self) -> None:
        """Make the newest earlier attempt's segments this one's own, and forget every other's."""
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        earlier = sorted((int(path.name), path) for path in self.folder.parent.iterdir() if path.name.isdigit())
        for number, (_, path) in enumerate(reversed(earlier)):
            if number == 0:
                path.rename(self.folder)
            else:
                shutil.rmtree(path, ignore_errors=True)
        self.folder.mkdir(exist_ok=True, mode=0o700)

    def reach(self, position: Position) -> bool:
        """Whether every segment of the file under way is here, as the position says. What lies beyond is removed."""
        for path in self.folder.iterdir():
            file, _, number = path.name.partition("-")
            if not number.isdigit() or (int(file), int(number)) >= (position.file, position.segments):
                path.unlink(missing_ok=True)
        return all(self._path(position.file, number).exists() for number in range(position.segments))

    def clear(self) -> None:
        """Forget every segment."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700)

    def write(self, file: int, number: int, content: bytes) -> None:
        """Keep a segment: whole and on disk when this returns."""
        with SealedWriter(self._path(file, number), self.key, self._context(file, number)) as sealed:
            sealed.write(content)

    def count(self, file: int) -> int:
        """How many segments a file has."""
        return sum(1 for _ in self.folder.glob(f"{file:06d}-*"))

    def pieces(self, file: int) -> Iterator[bytes]:
        """The lines of a file's segments, in order. Raises SealBroken where one is not what was written."""
        for number in range(self.count(file)):
            with SealedReader(self._path(file, number), self.key, self._context(file, number)) as sealed:
                yield from sealed.pieces()

    def _path(self, file: int, number: int) -> Path:
        return self.folder / f"{file:06d}-{number:09d}"

    def _context(self, file: int, number: int) -> bytes:
        return contexts.of_answers(self.job_id, file, number)
