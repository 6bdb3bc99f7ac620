"""One claimed job: validate, prepare, train, settle. Knows nothing of how jobs are claimed.

Every phase may be begun again from nothing by whoever takes the job over: the work folder is the job's own, and the
model only exists once the row says Completed.
"""

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.errors import Fault, JobFailure, SealBroken
from outcrop.domain.events import Event, Finished
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.states import JobStatus, Phase, PhaseStatus
from outcrop.store import jobs
from outcrop.store.jobs import ClaimedJob, LeaseLost, Outcome
from outcrop.worker import data, launch, planning
from outcrop.worker.ground import WorkerGround, key_context
from outcrop.worker.lease import Closing, Lease, Lost, StopRequested
from outcrop.worker.metrics import MetricsFiles

LOG = logging.getLogger(__name__)


def run(ground: WorkerGround, claimed: ClaimedJob, closing: threading.Event) -> None:
    """Take a claimed job to its end. Never raises for what the job did; a lost lease is only logged."""
    lease_s = ground.settings.lease_s
    try:
        with Lease(
            lambda: jobs.beat(ground.database, claimed, ground.clock(), lease_s), lease_s, LeaseLost, closing
        ) as lease:
            outcome = _outcome(_JobRun(ground, claimed, lease))
        _settle(ground, claimed, outcome)
    except (Lost, LeaseLost):
        LOG.warning("job %s was taken over by another worker", claimed.job.id)
    except Closing:
        jobs.release(ground.database, claimed)
        LOG.info("job %s is handed back", claimed.job.id)


def _settle(ground: WorkerGround, claimed: ClaimedJob, outcome: Outcome) -> None:
    if outcome.status is not JobStatus.COMPLETED:
        shutil.rmtree(ground.model_folder(claimed.job.id), ignore_errors=True)
    jobs.settle(ground.database, claimed, outcome, ground.clock())
    shutil.rmtree(ground.work_folder(claimed.job.id), ignore_errors=True)
    LOG.info("job %s ended: %s", claimed.job.id, outcome.status)


def _outcome(run: "_JobRun") -> Outcome:
    try:
        return run.work()
    except StopRequested:
        return Outcome(status=JobStatus.STOPPED)
    except (JobFailure, SealBroken) as failure:
        return Outcome(status=JobStatus.FAILED, failure_message=str(failure))
    except Fault as fault:
        return Outcome(status=JobStatus.FAILED, failure_message=f"{fault.code}: {fault.message}")
    except OSError as error:
        LOG.exception("job %s", run.job.id)
        return Outcome(status=JobStatus.FAILED, failure_message=f"The job could not use its files: {error.strerror}.")
    except (Lost, LeaseLost, Closing):
        raise
    except Exception as error:
        LOG.exception("job %s", run.job.id)
        sentence = f"An internal error ({type(error).__name__}) ended the job; the worker's log tells more."
        return Outcome(status=JobStatus.FAILED, failure_message=sentence)


@dataclass(frozen=True, slots=True)
class _JobRun:
    """A job while this worker has it."""

    ground: WorkerGround
    claimed: ClaimedJob
    lease: Lease

    @property
    def job(self) -> jobs.Job:
        return self.claimed.job

    def work(self) -> Outcome:
        """The phases, in order."""
        if self.job.stop_requested:
            raise StopRequested
        key = self._data_key()
        with self._phase(Phase.VALIDATION):
            sources = data.Sources.of(self.ground, self.job)
            sources.check(self.lease.check)
        with self._phase(Phase.DATA_PROCESSING):
            folder = self._fresh_folder()
            rows = sources.write_rows(folder, key, self.lease.check)
            plan = planning.make_plan(self.ground, self.job, rows)
        with self._phase(Phase.TRAINING):
            return self._train(plan, key, sources)

    def _train(self, plan: TrainingPlan, key: bytes, sources: data.Sources) -> Outcome:
        folder = self.ground.work_folder(self.job.id)
        keys = [key, *planning.parent_key(self.ground, self.job)]
        metrics = MetricsFiles(sources.access, sources.output, self.ground.clock)
        finished: Event | None = None
        for event in launch.train(plan, folder, keys, self.ground.settings.processes_folder, self.lease.check):
            metrics.take(event)
            finished = event
        assert isinstance(finished, Finished)
        metrics.write()
        self._publish()
        return Outcome(
            status=JobStatus.COMPLETED,
            training_loss=finished.training_loss,
            validation_losses=finished.validation_losses,
            checkpoint=plan.base_checkpoint,
        )

    def _publish(self) -> None:
        """The sealed model moves to its place, whole; a leftover of an earlier attempt goes first."""
        self.lease.check()
        place = self.ground.model_folder(self.job.id)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        (self.ground.work_folder(self.job.id) / "out").rename(place)

    def _fresh_folder(self) -> Path:
        folder = self.ground.work_folder(self.job.id)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def _data_key(self) -> bytes:
        """The job's own key: made at the first attempt, opened again at every later one."""
        context = key_context(self.job.id)
        if self.job.data_key is not None:
            return self.ground.keys.unwrap(self.job.data_key, context)
        key, wrapped = self.ground.keys.generate_data_key(self.job.kms_key_arn, context)
        jobs.set_data_key(self.ground.database, self.claimed, wrapped)
        return key

    @contextmanager
    def _phase(self, phase: Phase) -> Iterator[None]:
        self.lease.check()
        self._say(phase, PhaseStatus.IN_PROGRESS)
        yield
        self.lease.check()
        self._say(phase, PhaseStatus.COMPLETED)

    def _say(self, phase: Phase, status: PhaseStatus) -> None:
        jobs.set_phase(self.ground.database, self.claimed, phase, status, self.ground.clock())
