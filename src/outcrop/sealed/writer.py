"""Writes one sealed file, whole or not at all. Knows nothing of reading.

Invariant: the final name is only ever given to a complete file that is on disk.
"""

import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from tink import TinkError

from outcrop.sealed import piece

PARTIAL_SUFFIX = ".partial"  # what a killed writer leaves behind ends with this; a sweeper may remove it
_STEP = 1 << 20


class SealedWriter:
    """A context manager: `write` any number of times; leaving normally puts the file at `path`, an exception nothing.

    Holds one piece (8 MiB) in memory, whatever the file's size. `size` is the plaintext bytes written so far.
    """

    def __init__(self, path: Path, key: bytes, context: bytes) -> None:
        self.size = 0
        self._path = path
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}{PARTIAL_SUFFIX}")
        self._aead = piece.aead(key)
        self._context = context
        self._file_id = os.urandom(piece.FILE_ID_BYTES)
        self._number = 0
        self._held = bytearray()

    def __enter__(self) -> Self:
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._file.write(piece.MAGIC + self._file_id)
        return self

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Seal `data` behind what was written before; answers its length, as a file does."""
        left = memoryview(data).cast("B")
        while left:
            if len(self._held) == piece.PIECE_BYTES:  # only now is it known not to be the last
                self._seal_held(last=False)
            room = piece.PIECE_BYTES - len(self._held)
            self._held += left[:room]
            left = left[room:]
        self.size += len(data)
        return len(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            self._partial.unlink(missing_ok=True)  # before the file is closed: that fails where the disk is full
            self._file.close()

    def _publish(self) -> None:
        self._seal_held(last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self._path)
        sync_folder(self._path.parent)

    def _seal_held(self, *, last: bool) -> None:
        bound = piece.binding(self._file_id, self._number, len(self._held), last, self._context)
        file = piece.KeptOpen(self._file)
        try:
            with self._aead.new_encrypting_stream(file, bound) as stream, memoryview(self._held) as held:
                for start in range(0, len(held), _STEP):
                    stream.write(held[start : start + _STEP])
        except (TinkError, ValueError) as error:  # a stream that broke off says ValueError at its close
            raise file.failure or error from None
        self._held.clear()
        self._number += 1


def sync_folder(folder: Path) -> None:
    """Put a folder's own entries on disk, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
