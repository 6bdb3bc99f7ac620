"""The worker's life: claim what is free, keep the engines, keep house. Knows nothing of a job's phases.

Each of these goes its own rounds, so that a large model that loads for minutes holds up no job, and no stop.
"""

import logging
import threading
from datetime import timedelta
from pathlib import Path

from outcrop.store import jobs
from outcrop.worker import housekeeping, job
from outcrop.worker.batch.claiming import BatchJobs
from outcrop.worker.ground import WorkerGround
from outcrop.worker.rounds import Rounds
from outcrop.worker.serving import Serving

LOOK_EVERY_S = 0.2
WIPE_EVERY_S = 1.0
EXPIRE_EVERY_S = 60.0
SWEEP_EVERY_S = 3600.0
LOG = logging.getLogger(__name__)


class Worker:
    """Runs as many jobs as there are slots, each in a thread that ends with its child."""

    def __init__(self, ground: WorkerGround) -> None:
        self._ground = ground
        self._serving = Serving(ground)
        self._running: dict[tuple[str, int], threading.Thread] = {}
        self._closing = threading.Event()
        self._batch = BatchJobs(ground, self._closing)
        self._looked_at = self._awake_from = ground.clock()
        self._rounds = [
            Rounds(self._claim, LOOK_EVERY_S, self._closing),
            Rounds(self._claim_batch, LOOK_EVERY_S, self._closing),
            Rounds(self._serving.reconcile, LOOK_EVERY_S, self._closing, self._serving.close),
            Rounds(self._wipe, WIPE_EVERY_S, self._closing),
            Rounds(self._expire, EXPIRE_EVERY_S, self._closing),
            Rounds(self._sweep, SWEEP_EVERY_S, self._closing),
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        self._succeed()
        for rounds in self._rounds:
            rounds.start()

    def stop(self) -> None:
        """Stop every child and hand the running jobs back; returns when all is done."""
        self._closing.set()
        self._serving.interrupt()
        for rounds in self._rounds:
            rounds.join()
        for thread in self._running.values():
            thread.join()
        self._batch.join()

    def _succeed(self) -> None:
        """Free what the worker before us held. It is dead: whoever starts us holds the home's lock, and killed it."""
        note = self._ground.settings.run_folder / "worker.owner"
        if note.exists():
            dead = note.read_text()
            freed = jobs.release_owner(self._ground.database, dead) + self._batch.succeed(dead)
            LOG.info("%s jobs of the worker before this one are free", freed)
        _write(note, self._ground.owner)

    def _claim(self) -> None:
        self._running = {claim: thread for claim, thread in self._running.items() if thread.is_alive()}
        settings = self._ground.settings
        if self._has_slept():
            return
        while len(self._running) < settings.job_slots and not self._closing.is_set():
            claimed = jobs.claim(
                self._ground.database, self._ground.owner, self._ground.clock(), settings.lease_s, settings.job_slots
            )
            if claimed is None:
                return
            LOG.info("job %s claimed, attempt %s", claimed.job.id, claimed.job.attempts)
            thread = threading.Thread(target=job.run, args=(self._ground, claimed, self._closing), name=claimed.job.id)
            self._running[claimed.job.id, claimed.fence] = thread
            thread.start()

    def _claim_batch(self) -> None:
        if not self._has_slept():
            self._batch.claim()

    def _has_slept(self) -> bool:
        """Whether this process stood still for a lease's time: its own jobs must renew theirs before any is claimed."""
        now, lease = self._ground.clock(), timedelta(seconds=self._ground.settings.lease_s)
        if now - self._looked_at > lease:
            self._awake_from = now + lease
        self._looked_at = now
        return (bool(self._running) or self._batch.busy) and now < self._awake_from

    def _wipe(self) -> None:
        housekeeping.wipe_deleted_models(self._ground)

    def _expire(self) -> None:
        housekeeping.drop_what_expired(self._ground)

    def _sweep(self) -> None:
        housekeeping.sweep_leftovers(self._ground)


def _write(note: Path, text: str) -> None:
    """Whole or not at all."""
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_suffix(".part")
    part.write_text(text)
    part.replace(note)
