"""A running job's metrics, written to the user's bucket while it trains. Knows nothing of the child that makes them."""

from collections.abc import Callable
from datetime import datetime, timedelta

from outcrop.domain.events import Event, Step, Validation
from outcrop.worker import artifacts
from outcrop.worker.access import Place, RoleAccess

WRITE_EVERY = timedelta(seconds=2)
WRITING_SHARE = 20  # files are put whole: long ones less often, so that writing takes a twentieth of the time at most
CSV = "text/csv"


class MetricsFiles:
    """Collects what a child says; the files in the bucket are two seconds behind, more once they are long."""

    def __init__(self, access: RoleAccess, folder: Place, clock: Callable[[], datetime]) -> None:
        self._access = access
        self._folder = folder
        self._clock = clock
        self._due = clock() + WRITE_EVERY
        self._steps: list[Step] = []
        self._validations: list[Validation] = []
        self._before: list[Validation] = []

    def take(self, event: Event) -> None:
        """Remember a step or a validation; write when it is time."""
        match event:
            case Step():
                self._steps.append(event)
            case Validation() if event.step < 0:
                self._before.append(event)
            case Validation():
                self._validations.append(event)
        if self._clock() >= self._due:
            self.write()

    def write(self) -> None:
        """Put the files as they are now. Validation files only exist where there was something to validate."""
        began = self._clock()
        self._put(artifacts.TRAINING_FILE, artifacts.training_csv(self._steps))
        if self._before:
            self._put(artifacts.BEFORE_FILE, artifacts.validation_csv(self._before))
        if self._validations:
            content = artifacts.validation_csv(self._validations)
            for name in artifacts.VALIDATION_FILES:
                self._put(name, content)
        ended = self._clock()
        self._due = ended + max(WRITE_EVERY, WRITING_SHARE * (ended - began))

    def _put(self, name: str, content: bytes) -> None:
        self._access.put(self._folder.below(name), content, CSV)
