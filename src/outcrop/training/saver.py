"""When a checkpoint is due, and its writing beside the training. Knows neither what is saved nor how.

A snapshot is copied in memory and written in a thread while the training goes on; the next is due so much later that
saving takes no more than a fiftieth of the time.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from outcrop.domain.events import CheckpointDamaged, CheckpointUnwritten, Event, Resumed
from outcrop.domain.plan import TrainingPlan
from outcrop.training.shelf import Mark, Shelf
from outcrop.training.snapshot import Snapshot

SAVING_SHARE = 50


class Saver:
    """A context manager: leaving it waits for what is being written. `tell` is only called from the caller's thread."""

    def __init__(
        self,
        shelf: Shelf,
        plan: TrainingPlan,
        tell: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf, self._tell, self._clock = shelf, tell, clock
        self._every_s, self._every_steps = plan.checkpoint_every_s, plan.checkpoint_every_steps
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._writing: Future[float] | None = None
        self._step = 0  # of the last snapshot
        self._copied_s = 0.0
        self._failing = False
        self._due = clock() + self._every_s

    def __enter__(self) -> Self:
        self._reached = self._shelf.reached()
        self._mark = Mark(self._shelf)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        self._mark.close()
        if kind is None:
            self._settle()

    def resume(self) -> Snapshot | None:
        """The newest whole checkpoint's snapshot, or None. Tells where an earlier attempt had trained."""
        found = self._shelf.read(lambda step, cause: self._tell(CheckpointDamaged(step=step, cause=cause)))
        step, snapshot = found or (0, None)
        if self._reached is not None:
            self._tell(Resumed(step=step, lost_steps=max(0, self._reached - step)))
        self._mark.put(step)
        self._due = self._clock() + self._every_s
        return snapshot

    def offer(self, step: int, snapshot: Callable[[], Snapshot]) -> None:
        """Hears that `step` steps are done; takes a snapshot where one is due."""
        self._mark.put(step)
        if self._every_steps is None:
            if self._writing is not None and self._writing.done():
                self._settle()
            due = self._writing is None and self._clock() >= self._due
        else:
            due = step % self._every_steps == 0
        if due:
            self._settle()
            self._save(step, snapshot)

    def _save(self, step: int, snapshot: Callable[[], Snapshot]) -> None:
        began = self._clock()
        copied = snapshot()
        self._step, self._copied_s = step, self._clock() - began
        self._due = began + self._every_s
        self._writing = self._thread.submit(self._write, step, copied)

    def _write(self, step: int, snapshot: Snapshot) -> float:
        """Answers what it cost: a thread that waits for the disk takes nothing from the training."""
        began = time.thread_time()
        self._shelf.write(step, snapshot)
        return time.thread_time() - began

    def _settle(self) -> None:
        """Waits for the writing, where one is on; tells where it failed, and learns from it what one costs."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            cost = self._copied_s + writing.result()
            self._due = max(self._due, self._clock() + SAVING_SHARE * cost)
            self._failing = False
        except OSError as error:
            if self._failing:  # a disk that stays full is said once
                return
            self._failing = True
            self._tell(CheckpointUnwritten(step=self._step, cause=error.strerror or type(error).__name__))
