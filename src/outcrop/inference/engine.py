"""The heart: decide, do, absorb, in one thread, for as long as anything waits. Knows no HTTP and no text.

Other threads only submit and cancel; what a step says is delivered from this thread, all of a step at once.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from outcrop.inference.asking import Broken, Progress
from outcrop.inference.scheduler import Answer, Scheduler, Step

Said = Sequence[tuple[Answer, Progress | Broken]]
log = logging.getLogger(__name__)


class Doer(Protocol):
    """Runs a step."""

    def do(self, step: Step) -> list[int]:
        """The token chosen for each span that chooses."""
        ...

    def rest(self) -> None:
        """Nothing runs: let go of what ended answers left behind."""
        ...


class Engine:
    """Runs answers side by side until it is told to end."""

    def __init__(self, scheduler: Scheduler, doer: Doer, deliver: Callable[[Said], None]) -> None:
        self._scheduler = scheduler
        self._doer = doer
        self._deliver = deliver
        self._changed = threading.Condition()
        self._arrived: list[Answer] = []
        self._ending = False

    def submit(self, answer: Answer) -> None:
        """Let the answer join at the next step."""
        with self._changed:
            self._arrived.append(answer)
            self._changed.notify()

    def cancel(self, answer: Answer) -> None:
        """Nobody listens any more: the answer leaves before the next step. Harmless when it has ended."""
        answer.cancelled = True

    def end(self) -> None:
        """Return from `run` after the step under way."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def run(self) -> None:
        """The loop. Sleeps while nothing is to be done."""
        while self._take_in():
            self._step()

    def _take_in(self) -> bool:
        """Wait for something to do and hand it to the scheduler. False when the engine is to end."""
        if not self._scheduler.busy:
            self._rest()
        with self._changed:
            self._changed.wait_for(lambda: self._ending or self._arrived or self._scheduler.busy)
            arrived, self._arrived = self._arrived, []
        for answer in arrived:
            self._scheduler.submit(answer)
        return not self._ending

    def _rest(self) -> None:
        """Idle: the time to see that nothing is held that nobody waits for."""
        try:
            self._scheduler.check()
            self._doer.rest()
        except Exception:  # a mistake of ours: it is told, and the next request is served
            log.exception("something was held while nothing ran")
            self._scheduler.clear()

    def _step(self) -> None:
        try:
            step = self._scheduler.decide()
            said: Said = [] if step is None else self._scheduler.absorb(step, self._doer.do(step))
        except Exception as error:  # whatever it was, those who wait are told and the next request is served
            log.exception("a step failed")
            said = [(answer, Broken(cause=type(error).__name__)) for answer in self._scheduler.answers()]
            self._scheduler.clear()
        if said:
            self._deliver(said)
