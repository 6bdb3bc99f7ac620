"""A running job's metrics, written to the user's bucket while it trains. Knows nothing of the child that makes them.

One stream of events makes them all: the CSV files, the progress that a live view reads, and the curves.
"""

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from outcrop.domain.events import Event, Step, Validation
from outcrop.store import jobs
from outcrop.worker import artifacts, drawn
from outcrop.worker.access import Place, RoleAccess
from outcrop.worker.figure import loss_figure
from outcrop.worker.progress import Progress

WRITE_EVERY = timedelta(seconds=2)
DRAW_EVERY = timedelta(seconds=10)
WRITING_SHARE = 20  # files are put whole: long ones less often, so that writing takes a twentieth of the time at most
LOG = logging.getLogger(__name__)
CSV, JSON, SVG, PNG = "text/csv", "application/json", "image/svg+xml", "image/png"


class MetricsFiles:
    """Collects what a child says; the files in the bucket are two seconds behind, more once they are long."""

    def __init__(
        self, access: RoleAccess, folder: Place, clock: Callable[[], datetime], expected_s: float | None = None
    ) -> None:
        self._access = access
        self._folder = folder
        self._clock = clock
        self._due = clock() + WRITE_EVERY
        self._drawing_due = clock() + DRAW_EVERY
        self._steps: list[Step] = []
        self._validations: list[Validation] = []
        self._before: list[Validation] = []
        self.progress = Progress(expected_s=expected_s)

    def take(self, event: Event) -> None:
        """Remember a step or a validation; write and draw when it is time."""
        now = self._clock()
        self.progress.take(event, now)
        match event:
            case Step():
                self._steps.append(event)
            case Validation() if event.step < 0:
                self._before.append(event)
            case Validation():
                self._validations.append(event)
        if now >= self._due:
            self.write()
        if now >= self._drawing_due:
            self.draw()

    def write(self) -> None:
        """Put the numbers as they are now. Validation files only exist where there was something to validate."""
        self._due = self._paced(self._write, WRITE_EVERY)

    def write_progress(self) -> None:
        """Put how far the run is, and what has happened to the job, as they are now."""
        told = self.progress.to_dict(self._access.job.name, self._history())
        self._put(artifacts.PROGRESS_FILE, json.dumps(told, indent=1).encode(), JSON)

    def draw(self) -> None:
        """Put the curves as they are now; nothing before the first step."""
        if self._steps:
            self._drawing_due = self._paced(self._draw, DRAW_EVERY)

    def _write(self) -> None:
        self._put(artifacts.TRAINING_FILE, artifacts.training_csv(self._steps), CSV)
        if self._before:
            self._put(artifacts.BEFORE_FILE, artifacts.validation_csv(self._before), CSV)
        if self._validations:
            content = artifacts.validation_csv(self._validations)
            for name in artifacts.VALIDATION_FILES:
                self._put(name, content, CSV)
        self.write_progress()

    def _draw(self) -> None:
        validations = [*self._before, *self._validations]
        title = f"{self._access.job.name}: loss"
        try:
            figure = loss_figure(title, self._steps, validations, self.progress.steps)
            files = ((artifacts.CURVE_SVG, drawn.svg(figure), SVG), (artifacts.CURVE_PNG, drawn.png(figure), PNG))
        except Exception:  # whatever a drawing stumbles over is no reason to end a training
            LOG.exception("the curves of job %s cannot be drawn", self._access.job.id)
            return
        for name, content, content_type in files:
            self._put(name, content, content_type)

    def _paced(self, work: Callable[[], None], every: timedelta) -> datetime:
        """Do it; answers when to do it again."""
        began = self._clock()
        work()
        ended = self._clock()
        return ended + max(every, WRITING_SHARE * (ended - began))

    def _history(self) -> list[dict[str, object]]:
        """What happened to the job on its way, as its row has it now."""
        with self._access.objects.database.read() as connection:
            job = jobs.by_id(connection, self._access.job.id)
        return [] if job is None else job.history

    def _put(self, name: str, content: bytes, content_type: str) -> None:
        self._access.put(self._folder.below(name), content, content_type)
