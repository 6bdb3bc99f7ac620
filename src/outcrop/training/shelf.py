"""A job's checkpoints, those of every attempt: the newest that is whole is found, old ones are dropped.

Each attempt writes into a folder of its own, named by its fencing number. Invariant: an attempt removes nothing of a
later one's, so that one that lost its job without noticing cannot harm the one that took over.
"""

import os
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from outcrop.training.checkpoint import Checkpoint, Damaged, Unusable, steps_in
from outcrop.training.snapshot import Snapshot

KEPT = 2  # the newest, and the one before it in case that is damaged
REACHED = "reached"
_COUNT = struct.Struct("<Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """`folder` is this attempt's own; its siblings are other attempts'."""

    folder: Path
    job_id: str
    plan_digest: str
    key: bytes = field(repr=False)

    def write(self, step: int, snapshot: Snapshot) -> None:
        """A checkpoint more; then this plan's are dropped but the newest. Raises OSError where the disk refuses it.

        What is just written stays, whatever later one lies there that could not be read.
        """
        written = self._checkpoint(self.folder, step)
        written.write(snapshot.parts())
        own = [checkpoint for checkpoint in self._newest_first() if checkpoint.is_this_plans()]
        for old in own[KEPT:]:
            if old != written:
                shutil.rmtree(old.path, ignore_errors=True)

    def read(self, damaged: Callable[[int, str], None]) -> tuple[int, Snapshot] | None:
        """The newest whole checkpoint and its step. `damaged` hears of each that cannot be used, and why.

        It is dropped where nobody ever will: else it would count among those to keep, in a good one's place.
        """
        for checkpoint in self._newest_first():
            try:
                return checkpoint.step, _snapshot(checkpoint)
            except Unusable as error:
                damaged(checkpoint.step, str(error))
                if isinstance(error, Damaged):
                    shutil.rmtree(checkpoint.path, ignore_errors=True)
        return None

    def reached(self) -> int | None:
        """How many steps the earlier attempt that came farthest had done; None where none has begun to train."""
        return max((_count(folder / REACHED) for folder in self._attempts() if folder != self.folder), default=None)

    def _newest_first(self) -> Iterator[Checkpoint]:
        found = [self._checkpoint(folder, step) for folder in self._attempts() for step in steps_in(folder)]
        yield from sorted(found, key=lambda checkpoint: (checkpoint.step, int(checkpoint.folder.name)), reverse=True)

    def _attempts(self) -> list[Path]:
        """The folders of this attempt and of those before it."""
        around = self.folder.parent.iterdir() if self.folder.parent.is_dir() else ()
        return [path for path in around if path.name.isdigit() and int(path.name) <= int(self.folder.name)]

    def _checkpoint(self, folder: Path, step: int) -> Checkpoint:
        return Checkpoint(folder=folder, step=step, job_id=self.job_id, plan_digest=self.plan_digest, key=self.key)


class Mark:
    """How many steps an attempt has done, in its folder: what a kill cost is told by it.

    Survives a kill, not a power cut, which is enough for what it is for; so a disk that refuses it ends no job.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._file: BinaryIO | None = None
        with suppress(OSError):
            shelf.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = (shelf.folder / REACHED).open("wb", buffering=0)

    def put(self, steps: int) -> None:
        """Overwrites the count in one call: a kill leaves the one or the other."""
        if self._file is not None:
            with suppress(OSError):
                os.pwrite(self._file.fileno(), _COUNT.pack(steps), 0)

    def close(self) -> None:
        """Gives the file back."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()


def _snapshot(checkpoint: Checkpoint) -> Snapshot:
    parts = checkpoint.read()
    try:
        return Snapshot.from_parts(parts)
    except (KeyError, ValueError) as error:
        raise Damaged("it lacks a part of the state") from error


def _count(file: Path) -> int:
    try:
        return int(_COUNT.unpack(file.read_bytes())[0])
    except (OSError, struct.error):  # not begun, or killed between making the file and writing it
        return 0
