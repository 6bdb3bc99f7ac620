"""Batch jobs are claimed here, beside customization jobs and in places of their own. Knows nothing of what they do.

Neither kind waits for the other's places: a queue of trainings holds up no batch job, nor the reverse.
"""

import logging
import threading

from outcrop.store import invocation_jobs
from outcrop.worker.batch import running
from outcrop.worker.batch.share import Share
from outcrop.worker.ground import WorkerGround

SLOTS = 2  # a short job passes a long one; more would only share the engine's places among them
LOG = logging.getLogger(__name__)


class BatchJobs:
    """The batch jobs of a worker, each in a thread of its own."""

    def __init__(self, ground: WorkerGround, closing: threading.Event) -> None:
        self._ground, self._closing = ground, closing
        self._share = Share()
        self._running: dict[tuple[str, int], threading.Thread] = {}

    def succeed(self, dead: str) -> int:
        """Free what a worker held that is known to be dead; how many jobs."""
        return invocation_jobs.release_owner(self._ground.database, dead)

    @property
    def busy(self) -> bool:
        """Whether any job runs here."""
        return any(thread.is_alive() for thread in self._running.values())

    def claim(self) -> None:
        """Take as many jobs as there are places for."""
        ground = self._ground
        self._running = {claim: thread for claim, thread in self._running.items() if thread.is_alive()}
        invocation_jobs.expire_waiting(ground.database, ground.clock())
        while len(self._running) < SLOTS and not self._closing.is_set():
            claimed = invocation_jobs.claim(
                ground.database, ground.owner, ground.clock(), ground.settings.lease_s, SLOTS
            )
            if claimed is None:
                return
            LOG.info("batch job %s claimed, attempt %s", claimed.job.id, claimed.job.attempts)
            work = (ground, claimed, self._share, self._closing)
            thread = threading.Thread(target=running.run, args=work, name=claimed.job.id)
            self._running[claimed.job.id, claimed.fence] = thread
            thread.start()

    def join(self) -> None:
        """Wait for every job's thread: after `closing` was set, each hands its job back."""
        for thread in self._running.values():
            thread.join()
