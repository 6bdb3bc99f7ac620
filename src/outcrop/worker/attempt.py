"""A job while this worker has it: its folders, its key, and what is told of it. Knows no phase's work.

An attempt works in a folder of its own, named by its fencing number. Whatever it writes into the job's row is fenced.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.domain.states import Phase, PhaseStatus
from outcrop.store import jobs
from outcrop.store.jobs import ClaimedJob
from outcrop.worker.data_keys import data_key_of
from outcrop.worker.ground import WorkerGround
from outcrop.worker.lease import Lease
from outcrop.worker.questions import Kept

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One worker's hold on one job, for as long as its lease lasts."""

    ground: WorkerGround
    claimed: ClaimedJob
    lease: Lease

    @property
    def job(self) -> jobs.Job:
        """The job's row, as it was claimed."""
        return self.claimed.job

    @property
    def work_folder(self) -> Path:
        """The job's: what lies here outlives an attempt."""
        return self.ground.work_folder(self.job.id)

    @property
    def folder(self) -> Path:
        """This attempt's own: one that lost its lease may still be writing into another."""
        return self.work_folder / str(self.claimed.fence)

    @property
    def log(self) -> Path:
        """Where the job's child processes talk."""
        return self.ground.job_log(self.job.id)

    def prepared_folder(self) -> Path:
        """Where the job's sealed rows and questions lie; it is there from now on."""
        folder = self.work_folder / "prepared"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def data_key(self) -> bytes:
        """The job's own key: made at the first attempt, opened again at every later one. Raises JobFailure."""
        ground, claimed = self.ground, self.claimed
        return data_key_of(ground.keys, self.job, lambda made: jobs.set_data_key(ground.database, claimed, made))

    def questions(self, key: bytes) -> Kept:
        """What the gate asks about the job's data, sealed under the job's key."""
        return Kept(self.prepared_folder(), self.job.id, key)

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """The phase is in progress meanwhile, and completed where nothing is raised."""
        self.lease.check()
        self._say(phase, PhaseStatus.IN_PROGRESS)
        yield
        self.lease.check()
        self._say(phase, PhaseStatus.COMPLETED)

    def _say(self, phase: Phase, status: PhaseStatus) -> None:
        jobs.set_phase(self.ground.database, self.claimed, phase, status, self.ground.clock())

    def note(self, entry: dict[str, Any]) -> None:
        """Writes an entry into the job's history, with the attempt and the time."""
        told = {**entry, "attempt": self.job.attempts, "at": self.ground.clock().isoformat()}
        LOG.info("job %s: %s", self.job.id, told)
        jobs.note(self.ground.database, self.claimed, told)
