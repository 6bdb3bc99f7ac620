"""The worker's life: claim what is free, keep the engines, wipe what was deleted. Knows nothing of a job's phases."""

import logging
import shutil
import threading

from outcrop.store import jobs, models
from outcrop.worker import job
from outcrop.worker.ground import WorkerGround
from outcrop.worker.serving import Serving

TICK_S = 0.2
LOG = logging.getLogger(__name__)


class Worker:
    """Runs as many jobs as there are slots, each in a thread that ends with its child."""

    def __init__(self, ground: WorkerGround) -> None:
        self._ground = ground
        self._serving = Serving(ground)
        self._running: dict[str, threading.Thread] = {}
        self._closing = threading.Event()

    def run(self, ended: threading.Event) -> None:
        """Work until `ended`, then stop every child; jobs that were running are handed back."""
        self._succeed()
        try:
            while not ended.wait(TICK_S):
                self._tick()
        finally:
            self._closing.set()
            self._serving.close()
            for thread in self._running.values():
                thread.join()

    def _succeed(self) -> None:
        """Free what the worker before us held. It is dead: whoever starts us holds the home's lock, and killed it."""
        note = self._ground.settings.run_folder / "worker.owner"
        if note.exists():
            freed = jobs.release_owner(self._ground.database, note.read_text())
            LOG.info("%s jobs of the worker before this one are free", freed)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(self._ground.owner)

    def _tick(self) -> None:
        """One look at everything. What fails here is logged and tried again: a worker has nobody to tell."""
        for look in (self._claim, self._serving.reconcile, self._wipe):
            try:
                look()
            except Exception:
                LOG.exception("the worker's %s failed; it is tried again", look.__name__)

    def _claim(self) -> None:
        self._running = {name: thread for name, thread in self._running.items() if thread.is_alive()}
        settings = self._ground.settings
        while len(self._running) < settings.job_slots:
            claimed = jobs.claim(
                self._ground.database, self._ground.owner, self._ground.clock(), settings.lease_s, settings.job_slots
            )
            if claimed is None:
                return
            LOG.info("job %s claimed, attempt %s", claimed.job.id, claimed.job.attempts)
            thread = threading.Thread(target=job.run, args=(self._ground, claimed, self._closing), name=claimed.job.id)
            self._running[claimed.job.id] = thread
            thread.start()

    def _wipe(self) -> None:
        """Models that were deleted lose their files, then their rows."""
        for model in models.forgotten(self._ground.database):
            shutil.rmtree(self._ground.model_folder(model.job_id), ignore_errors=True)
            models.wiped(self._ground.database, model.id)
