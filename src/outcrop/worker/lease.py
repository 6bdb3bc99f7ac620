"""A claimed job's lease, kept alive while its phases work. Knows nothing of what the phases do.

Invariant: whoever loses the lease stops writing. Every write of a job is fenced in the store as well, so that a worker
that was frozen past its lease cannot harm the one that took over.
"""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType

BEATS_A_LEASE = 4
LOG = logging.getLogger(__name__)


class StopRequested(Exception):
    """Somebody asked for this job to stop."""


class Closing(Exception):
    """This worker is about to end: the job is to be handed back."""


class Lost(Exception):
    """Another worker has this job now, or the row is gone."""


class Lease:
    """Beats in a thread of its own; `check()` tells the phases what the beats heard."""

    def __init__(
        self, beat: Callable[[], bool], lease_s: float, lost: type[Exception], closing: threading.Event
    ) -> None:
        self._beat = beat
        self._closing = closing
        self._lost_error = lost
        self._lease_s = lease_s
        self._every_s = lease_s / BEATS_A_LEASE
        self._ended = threading.Event()
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `Lost`, `StopRequested` or `Closing` if that is so."""
        if self._lost.is_set():
            raise Lost
        if self._stop.is_set():
            raise StopRequested
        if self._closing.is_set():
            raise Closing

    def _run(self) -> None:
        beaten = time.monotonic()
        while not self._ended.wait(self._every_s):
            try:
                if self._beat():
                    self._stop.set()
                beaten = time.monotonic()
            except self._lost_error:
                self._lost.set()
                return
            except Exception:  # a locked or full database: the lease may still be ours until it runs out
                LOG.exception("a lease could not be renewed")
                if time.monotonic() - beaten > self._lease_s:
                    self._lost.set()
                    return
