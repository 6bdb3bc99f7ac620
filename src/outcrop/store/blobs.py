"""Blobs: the sealed bytes beneath objects and parts, each written once under a random id. Knows no bucket and no key.

`Blobs` is what `store.objects` needs of a place for bytes. A folder is the one place there is today; an external S3 can
become another without a change above.

Invariant: a blob has its final name only when it is whole and on disk, and is never changed afterwards.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from outcrop.sealed import PARTIAL_SUFFIX, SealedReader, SealedWriter, as_file, contexts
from outcrop.sealed.writer import sync_folder

READERS_HELD = 64  # blobs kept open from the start of a read, so that deleting the object does not cut it off


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob's id and its plaintext bytes."""

    id: str
    size: int


class BlobReader(Protocol):
    """One blob, open."""

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start`, at most `length` of them."""

    def close(self) -> None:
        """Give it back."""


class Blobs(Protocol):
    """A place for sealed bytes."""

    def write(self, blob_id: str, chunks: Iterable[bytes]) -> Blob:
        """Keep all of `chunks` under a new id, or nothing where `chunks` raises."""

    def open(self, blob_id: str) -> BlobReader:
        """Read a blob. Raises FileNotFoundError where there is none."""

    def remove(self, blob_ids: Iterable[str]) -> None:
        """Forget blobs; those that are gone already are no error."""

    def untouched_since(self, moment: datetime) -> Iterator[str]:
        """Ids of the blobs, and of broken-off writes, that nobody has written to since."""


class FolderBlobs:
    """Blobs in a folder, sealed under one key."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key = folder, key

    def write(self, blob_id: str, chunks: Iterable[bytes]) -> Blob:
        """Keep all of `chunks` under a new id, or nothing where `chunks` raises."""
        path = self._path(blob_id)
        self._make(path.parent)
        with SealedWriter(path, self._key, contexts.of_object(blob_id)) as writer:
            for chunk in chunks:
                writer.write(chunk)
        return Blob(blob_id, writer.size)

    def open(self, blob_id: str) -> SealedReader:
        """Read a blob."""
        return SealedReader(self._path(blob_id), self._key, contexts.of_object(blob_id))

    def remove(self, blob_ids: Iterable[str]) -> None:
        """Forget blobs; those that are gone already are no error."""
        for blob_id in blob_ids:
            self._path(blob_id).unlink(missing_ok=True)
            for partial in self._path(blob_id).parent.glob(f".{blob_id}.*{PARTIAL_SUFFIX}"):
                partial.unlink(missing_ok=True)

    def untouched_since(self, moment: datetime) -> Iterator[str]:
        """Ids of the blobs, and of broken-off writes, that nobody has written to since."""
        for path in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):  # removed while we looked
                if path.stat().st_mtime <= moment.timestamp():
                    yield path.name.lstrip(".").partition(".")[0]

    def _path(self, blob_id: str) -> Path:
        return self._folder / blob_id[:2] / blob_id

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(folder.parent)


class ObjectReader:
    """The bytes of one object, which may lie in several blobs, as one `SealedReader` would give them."""

    def __init__(self, blobs: Blobs, parts: Iterable[Blob], start: int = 0, length: int | None = None) -> None:
        self._blobs, self._parts = blobs, tuple(parts)
        self.size = sum(part.size for part in self._parts)
        self._held: dict[str, BlobReader] = {}
        end = self.size if length is None else start + length
        try:
            for part, _, _ in islice(self._overlaps(start, end), READERS_HELD):
                self._held[part.id] = blobs.open(part.id)
        except BaseException:
            self.close()
            raise

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start`, at most `length` of them, in chunks of at most 1 MiB."""
        end = self.size if length is None else min(self.size, start + length)
        for part, low, high in self._overlaps(start, end):
            reader = self._held.get(part.id)
            if reader is not None:
                yield from reader.pieces(low, high - low)
                continue
            with closing(self._blobs.open(part.id)) as passing:
                yield from passing.pieces(low, high - low)

    def read_range(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer where the object ends."""
        return b"".join(self.pieces(start, length))

    def as_file(self) -> io.BufferedReader:
        """A binary file on the bytes; closing it closes this reader."""
        return as_file(self)

    def close(self) -> None:
        """Give every blob back."""
        for reader in self._held.values():
            reader.close()
        self._held.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _overlaps(self, start: int, end: int) -> Iterator[tuple[Blob, int, int]]:
        """Each part that has bytes of [start, end), with the stretch of it."""
        begin = 0
        for part in self._parts:
            low, high = max(start - begin, 0), min(end - begin, part.size)
            if low < high:
                yield part, low, high
            begin += part.size
