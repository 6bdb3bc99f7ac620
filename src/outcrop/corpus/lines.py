"""Lines of a file, in constant memory however long the file or a line is. Knows nothing of JSON."""

from collections.abc import Callable, Iterator
from typing import Protocol

CHUNK_BYTES = 1 << 18
# Families' records end far below (10 GB for 10 000 of them is 1 MB each); beyond it a line is skipped, not held.
LONGEST_LINE = 16 << 20


class Source(Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""


def lines(source: Source, on_chunk: Callable[[int], None] | None = None) -> Iterator[tuple[bytes | None, int]]:
    """Each line without its newline, and its size in bytes; None in place of a line that is too long to hold.

    `on_chunk` is told how many bytes were read, every 256 KiB or so. A newline at the very end begins no line.
    """
    held = _Held()
    while chunk := source.read(CHUNK_BYTES):
        if on_chunk is not None:
            on_chunk(len(chunk))
        first, *others = chunk.split(b"\n")
        held.add(first)
        if not others:
            continue
        yield held.take()
        last = others.pop()
        for line in others:
            yield line, len(line)
        held.add(last)
    if held.size:
        yield held.take()


class _Held:
    """The line that the chunk's end cut in two."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size <= LONGEST_LINE:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def take(self) -> tuple[bytes | None, int]:
        line = b"".join(self._pieces) if self.size <= LONGEST_LINE else None
        size, self.size = self.size, 0
        self._pieces.clear()
        return line, size
