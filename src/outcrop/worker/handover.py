"""A sealed model's plaintext, for as long as an engine takes to load it, in memory that only its owner can read.

Knows nothing of engines. What a crash leaves behind is swept by the next worker of the same home.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outcrop.domain.errors import OutcropError
from outcrop.domain.probes import PROBES_FILE
from outcrop.sealed import SealedReader, contexts

MEMORY = Path("/dev/shm")  # the files never reach a disk; where there is no such place, the run folder stands in


class NoRoom(OutcropError):
    """A model does not fit where it is to be handed over; the sentence says what would help."""


@contextmanager
def opened(model_folder: Path, key: bytes, run_folder: Path, model_id: str = "") -> Iterator[Path]:
    """A folder (0700) with the model's files in the clear, gone at the end.

    `model_id`: what the files are bound to, where the folder does not have that name yet.
    """
    storage, bound_to = _storage(run_folder), model_id or model_folder.name
    require_room(run_folder, size_of(model_folder))
    place = Path(tempfile.mkdtemp(prefix=_prefix(run_folder), dir=storage))
    try:
        with _told_when_full(storage):
            for sealed in _files(model_folder):
                _open_file(sealed, key, contexts.of_model_file(bound_to, sealed.name), place / sealed.name)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def size_of(model_folder: Path) -> int:
    """Bytes that a sealed model takes in the clear, and a few more."""
    return sum(sealed.stat().st_size for sealed in _files(model_folder))


def require_room(run_folder: Path, needed: int) -> None:
    """Raises NoRoom where so many bytes cannot be handed over now."""
    storage = _storage(run_folder)
    free = shutil.disk_usage(storage).free
    if needed > free:
        raise NoRoom(
            f"{storage} has {free:,} bytes free, and the model needs {needed:,} there while it loads. {_mend(storage)}"
        )


def sweep(run_folder: Path) -> None:
    """Remove what a killed worker of this home left behind."""
    for left in _storage(run_folder).glob(_prefix(run_folder) + "*"):
        shutil.rmtree(left, ignore_errors=True)


def _open_file(sealed: Path, key: bytes, context: bytes, target: Path) -> None:
    with (
        SealedReader(sealed, key, context) as reader,
        os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
    ):
        for piece in reader.pieces():
            file.write(piece)


def _files(model_folder: Path) -> list[Path]:
    return sorted(file for file in model_folder.iterdir() if file.name != PROBES_FILE)  # an engine needs no probes


@contextmanager
def _told_when_full(storage: Path) -> Iterator[None]:
    """Somebody else may take the room that was there a moment ago."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise NoRoom(f"{storage} became full while the model was put there. {_mend(storage)}") from error


def _mend(storage: Path) -> str:
    if storage == MEMORY:
        return f"Make it larger: docker run --shm-size, or mount -o remount,size=... {MEMORY}."
    return "Free some of that disk."


def _storage(run_folder: Path) -> Path:
    return MEMORY if os.access(MEMORY, os.W_OK) else run_folder


def _prefix(run_folder: Path) -> str:
    return f"outcrop-{hashlib.sha256(str(run_folder).encode()).hexdigest()[:12]}-"
