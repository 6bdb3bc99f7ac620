"""Chunks seen as a binary file: seek, read, readline. Knows nothing of where the chunks come from."""

import io
from collections.abc import Iterator
from typing import Any, Protocol

BUFFER_BYTES = 1 << 20


class Chunks(Protocol):
    """What can be seen as a file."""

    size: int

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on."""

    def close(self) -> None:
        """Give it back."""


def as_file(chunks: Chunks) -> io.BufferedReader:
    """A binary file on the chunks; closing it closes them."""
    return io.BufferedReader(_PlainFile(chunks), buffer_size=BUFFER_BYTES)


class _PlainFile(io.RawIOBase):
    """The plaintext as a raw file. Reading on goes on in the open stream; a seek starts another."""

    def __init__(self, chunks: Chunks) -> None:
        self._source, self._position = chunks, 0
        self._chunks: Iterator[bytes] | None = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._source.size}[whence]
        target = base + offset
        if target < 0:
            raise ValueError("a file has no position before its start")
        if target != self._position:
            self._position, self._chunks, self._rest = target, None, memoryview(b"")
        return target

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            if self._chunks is None:
                self._chunks = self._source.pieces(self._position)
            self._rest = memoryview(next(self._chunks, b""))
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        self._position += len(taken)
        return len(taken)

    def close(self) -> None:
        self._source.close()
        super().close()
