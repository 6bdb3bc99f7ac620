"""Reads sealed files: whole, by range, or as a file. Knows nothing of writing.

Every byte handed out was authenticated first. Opening checks that the last piece really is the last and as long as the
file's size says, so `size` is true before anything is read.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tink import TinkError

from outcrop.domain.errors import SealBroken
from outcrop.sealed import piece
from outcrop.sealed.plain_file import as_file

CHUNK_BYTES = 1 << 20


class SealedReader:
    """One sealed file, open. `size` is its plaintext bytes. Raises SealBroken for whatever is not as it was written.

    Reads by range may come from several threads at once. A file that is replaced or deleted meanwhile stays readable.
    """

    def __init__(self, path: Path, key: bytes, context: bytes) -> None:
        self._aead = piece.aead(key)
        self._context = context
        self._file = path.open("rb", buffering=0)
        try:
            self._file_id, self._sealed_bytes = _header(self._file)
            self._count, self.size = _layout(self._sealed_bytes - piece.HEADER_BYTES)
            self._check_last()
        except BaseException:
            self._file.close()
            raise

    def pieces(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The plaintext from `start`, at most `length` bytes of it, in chunks of at most 1 MiB."""
        end = self.size if length is None else min(self.size, start + length)
        while start < end:
            number, offset = divmod(start, piece.PIECE_BYTES)
            upto = min(piece.PIECE_BYTES, end - number * piece.PIECE_BYTES)
            for chunk in self._decrypt(number, offset, upto):
                start += len(chunk)
                yield chunk

    def read_range(self, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer where the file ends."""
        return b"".join(self.pieces(start, length))

    def as_file(self) -> io.BufferedReader:
        """A binary file on the plaintext (seek, readline); closing it closes this reader."""
        return as_file(self)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_last(self) -> None:
        last = self._count - 1
        for _ in self._decrypt(last, 0, min(1, self._length(last))):
            pass  # to decrypt it is to check it; nobody wants the byte

    def _length(self, number: int) -> int:
        return min(piece.PIECE_BYTES, self.size - number * piece.PIECE_BYTES)

    def _decrypt(self, number: int, offset: int, upto: int) -> Iterator[bytes]:
        """Plaintext [offset, upto) of one piece; an empty piece is authenticated too."""
        length = self._length(number)
        bound = piece.binding(self._file_id, number, length, number == self._count - 1, self._context)
        start = piece.HEADER_BYTES + number * piece.FULL_SEALED
        source = _Window(self._file.fileno(), start, start + piece.sealed_size(length))
        try:
            with self._aead.new_decrypting_stream(source, bound) as stream:
                position = 0
                while position < max(upto, 1):
                    # the chunk that holds `offset` is cut; those before it are read only to get there
                    wanted = (offset if position < offset else upto) - position
                    chunk = stream.read(min(CHUNK_BYTES, max(wanted, 1)))
                    if not chunk:
                        break
                    if position >= offset:
                        yield chunk
                    position += len(chunk)
        except TinkError as refused:
            raise SealBroken(
                f"A sealed file does not open at piece {number}: altered, cut, or not its key."
            ) from refused
        if position != upto:
            raise SealBroken(f"A sealed file ends early, in piece {number}.")


def _header(file: io.FileIO) -> tuple[bytes, int]:
    header = file.read(piece.HEADER_BYTES)
    if len(header) != piece.HEADER_BYTES or not header.startswith(piece.MAGIC):
        raise SealBroken("This is not a sealed file, or it was cut short.")
    return header[len(piece.MAGIC) :], os.fstat(file.fileno()).st_size


def _layout(body: int) -> tuple[int, int]:
    """Count of pieces and plaintext size that a body of this many sealed bytes must have."""
    full, rest = divmod(body, piece.FULL_SEALED)
    tail = piece.plain_size(rest) if rest else 0
    if (full == 0 and rest == 0) or tail is None or (full and rest and tail == 0):
        raise SealBroken("A sealed file was cut short or added to: no whole number of pieces has its size.")
    return full + (rest > 0), full * piece.PIECE_BYTES + tail


class _Window(io.RawIOBase):
    """A stretch of a file, read with its own position, so that readers do not disturb each other."""

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._descriptor, self._position, self._end = descriptor, start, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._descriptor, min(len(buffer), self._end - self._position), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
