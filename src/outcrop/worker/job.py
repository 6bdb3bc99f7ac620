"""One claimed job: validate, prepare, train, settle. Knows nothing of how jobs are claimed.

Whoever takes a job over uses its data where that is ready, and trains on from the newest whole checkpoint. An attempt
works in a folder of its own, named by its fencing number, and the model is put in its place in the very transaction
that says Completed: of what an attempt that lost its lease still writes, nobody reads anything but checkpoints, and
those are bound to the job, its plan and their step.
"""

import contextlib
import itertools
import json
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError, OperationalError

from outcrop.domain.errors import Fault, JobFailure, OutcropError
from outcrop.domain.estimate import grade
from outcrop.domain.events import Event, Finished, Started
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.probes import PROBE_ROWS
from outcrop.domain.states import JobStatus, Phase, PhaseStatus
from outcrop.sealed.writer import sync_folder
from outcrop.store import jobs
from outcrop.store.jobs import ClaimedJob, LeaseLost, Outcome
from outcrop.worker import (
    artifacts,
    data,
    estimating,
    gate,
    generation,
    launch,
    machine,
    planning,
    questions,
    room,
    succession,
)
from outcrop.worker.ground import WorkerGround, key_context
from outcrop.worker.lease import Closing, Lease, Lost, StopRequested
from outcrop.worker.metrics import CSV, MetricsFiles

ATTEMPTS_LIMIT = 20  # a job that takes its worker down every time must not do so for ever
SETTLE_PAUSE_S = 1.0
PUBLISH_TRIES = 60  # a disk that stays full this many pauses long is not about to be mended
LOG = logging.getLogger(__name__)


def run(ground: WorkerGround, claimed: ClaimedJob, closing: threading.Event) -> None:
    """Take a claimed job to its end. Never raises for what the job did; a lost lease is only logged."""
    lease_s = ground.settings.lease_s
    try:
        with Lease(
            lambda: jobs.beat(ground.database, claimed, ground.clock(), lease_s), lease_s, LeaseLost, closing
        ) as lease:
            attempt = _Attempt(ground, claimed, lease)
            _settle(attempt, _outcome(attempt), closing)
    except (Lost, LeaseLost):
        LOG.warning("job %s, attempt %s: this worker does not hold it any more", claimed.job.id, claimed.job.attempts)
    except Closing:
        _hand_back(ground, claimed)


def _hand_back(ground: WorkerGround, claimed: ClaimedJob) -> None:
    try:
        jobs.release(ground.database, claimed)
        LOG.info("job %s is handed back", claimed.job.id)
    except (LeaseLost, OperationalError) as error:  # the next worker frees what this one held
        LOG.info("job %s could not be handed back (%s)", claimed.job.id, type(error).__name__)


def _settle(attempt: "_Attempt", outcome: Outcome, closing: threading.Event) -> None:
    """Write the end down, as often as it takes: a full disk or a locked database must not cost the job its result."""
    ground, job_id = attempt.ground, attempt.job.id
    for tries in itertools.count(1):
        try:
            jobs.settle(ground.database, attempt.claimed, outcome, ground.clock(), attempt.publish)
            break
        except IntegrityError:
            LOG.error("job %s: its model's name was taken while it ran", job_id)
            outcome = _failed("The custom model's name was taken while the job ran.")
        except (OperationalError, OSError) as error:
            if tries == 1:
                LOG.exception("the end of job %s (%s) cannot be written yet", job_id, outcome.status)
            if isinstance(error, OSError) and tries >= PUBLISH_TRIES:
                outcome = _failed(_about_files(error))
            if closing.wait(SETTLE_PAUSE_S):
                raise Closing from None
    LOG.info("job %s ended: %s", job_id, outcome.status)
    shutil.rmtree(ground.work_folder(job_id), ignore_errors=True)
    if outcome.status is not JobStatus.COMPLETED:  # an earlier attempt may have been killed while it published
        shutil.rmtree(ground.model_folder(job_id), ignore_errors=True)
    if outcome.status is not JobStatus.FAILED:
        attempt.log.unlink(missing_ok=True)


def _outcome(attempt: "_Attempt") -> Outcome:
    """How the attempt ends, whatever happens in it."""
    try:
        return attempt.work()
    except (Lost, LeaseLost, Closing):
        raise
    except StopRequested:
        return Outcome(status=JobStatus.STOPPED)
    except Fault as fault:
        return _failed(f"{fault.code}: {fault.message}")
    except OutcropError as failure:
        return _failed(str(failure))
    except OSError as error:
        LOG.exception("job %s", attempt.job.id)
        return _failed(_about_files(error))
    except OperationalError as error:
        LOG.exception("job %s", attempt.job.id)
        return _failed(f"The job's state could not be written: {error.orig}.")
    except Exception as error:
        LOG.exception("job %s", attempt.job.id)
        return _failed(f"An internal error ({type(error).__name__}) ended the job; the worker's log tells more.")


def _failed(sentence: str) -> Outcome:
    return Outcome(status=JobStatus.FAILED, failure_message=sentence)


def _about_files(error: OSError) -> str:
    return f"The job could not use its files: {error.strerror or type(error).__name__}."


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A job while this worker has it."""

    ground: WorkerGround
    claimed: ClaimedJob
    lease: Lease

    @property
    def job(self) -> jobs.Job:
        return self.claimed.job

    @property
    def work_folder(self) -> Path:
        return self.ground.work_folder(self.job.id)

    @property
    def folder(self) -> Path:
        """This attempt's own: one that lost its lease may still be writing into another."""
        return self.work_folder / str(self.claimed.fence)

    @property
    def log(self) -> Path:
        return self.ground.job_log(self.job.id)

    def work(self) -> Outcome:
        """The phases, in order."""
        if self.job.stop_requested:
            raise StopRequested
        if self.job.attempts > ATTEMPTS_LIMIT:
            raise JobFailure(
                f"The job was begun {ATTEMPTS_LIMIT} times, and each time its worker was stopped or killed before it "
                "had ended; the worker's log tells more."
            )
        plan, key = self._ready() or self._prepare()
        with self._phase(Phase.TRAINING), gate.warming(self.ground, plan.base_checkpoint):
            room.require_room(self.ground.settings.run_folder, plan, self.lease.check)
            outcome, metrics = self._train(plan, key)
            self._pass_the_gate(plan, key, metrics)
            return outcome

    def _ready(self) -> tuple[TrainingPlan, bytes] | None:
        """The plan and the key of an earlier attempt whose rows are whole, and what the gate asks about them.

        Their two phases stay as they are.
        """
        self.lease.check()
        done = self.job.phases[Phase.DATA_PROCESSING]["status"] == PhaseStatus.COMPLETED
        plan = succession.kept_plan(self.work_folder) if done else None
        if plan is None or not data.are_whole(plan, key := self._data_key(), self.lease.check):
            return None
        return (plan, key) if self._questions(key).are_whole() else None

    def _prepare(self) -> tuple[TrainingPlan, bytes]:
        """Validation and data processing; what they come to is kept for later attempts."""
        if self.job.attempts > 1:
            jobs.begin_again(self.ground.database, self.claimed)
            self._note({"event": "restarted", "phase": Phase.VALIDATION.value})
        with self._phase(Phase.VALIDATION):
            key = self._data_key()
            planning.parent_key(self.ground, self.job)  # a parent that cannot be used is said before the data is read
            sources = data.Sources.of(self.ground, self.job)
            seen = sources.check(self.lease.check)
        with self._phase(Phase.DATA_PROCESSING):
            prepared = self._prepared_folder()
            rows = sources.write_rows(prepared, key, seen, self.lease.check)
            plan = planning.make_plan(self.ground, self.job, rows, self._measuring())
            self._questions(key).write(sources, seen, max(PROBE_ROWS, plan.generation_sample))
            plan = self._with_room(plan, rows)
            succession.keep_plan(self.work_folder, plan)
        return plan, key

    def _train(self, plan: TrainingPlan, key: bytes) -> tuple[Outcome, MetricsFiles]:
        training = launch.Training(
            plan=plan,
            folder=succession.attempt_folder(self.work_folder, self.claimed.fence),
            log=self.log,
            checkpoints=succession.checkpoints_folder(self.work_folder, self.claimed.fence),
            keys=[key, *planning.parent_key(self.ground, self.job)],
        )
        access, output = data.access_of(self.ground, self.job), data.output_of(self.job)
        expected = self._expected()
        metrics = MetricsFiles(access, output, self.ground.clock, expected.get("seconds"))
        finished = self._listen(training, metrics)
        metrics.write()
        metrics.draw()
        if expected:
            self._grade(expected, finished, metrics.progress.trained_tokens)
        outcome = Outcome(
            status=JobStatus.COMPLETED,
            training_loss=finished.training_loss,
            validation_losses=finished.validation_losses,
            checkpoint=plan.base_checkpoint,
        )
        return outcome, metrics

    def _pass_the_gate(self, plan: TrainingPlan, key: bytes, metrics: MetricsFiles) -> None:
        """The model that was made must answer in the serving engine as it did in training. Raises JobFailure."""
        candidate = gate.Candidate(
            job_id=self.job.id,
            fence=self.claimed.fence,
            folder=self.folder / "out",
            key=key,
            checkpoint=plan.base_checkpoint,
        )
        probes, asked = gate.read_probes(candidate), self._questions(key).read()
        began = time.monotonic()

        def examine(loaded: gate.Loaded) -> list[generation.Scored]:
            parity = gate.examine(loaded, probes, asked, self.lease.check)
            LOG.info("job %s passed the gate after %.2f s: %s", self.job.id, time.monotonic() - began, parity)
            return generation.sample(loaded, asked.questions[: plan.generation_sample], self.lease.check)

        self._tell_generation(gate.admit(self.ground, candidate, self.lease.check, examine), metrics)

    def _tell_generation(self, rows: list[generation.Scored], metrics: MetricsFiles) -> None:
        if rows:
            place = data.output_of(self.job).below(generation.GENERATION_FILE)
            data.access_of(self.ground, self.job).put(place, generation.as_csv(rows), CSV)
            self._note({"event": "generation_metrics", **generation.means(rows)})
            metrics.write_progress()  # which tells the job's history to whoever cannot read its row

    def _with_room(self, plan: TrainingPlan, rows: data.WrittenRows) -> TrainingPlan:
        """The plan as it fits, and what it takes, said. Raises JobFailure where there can never be room for it."""
        expected = estimating.expect(self.ground.settings, plan, estimating.data_of(rows), self._measuring())
        if expected is None:
            return plan
        self._say_estimate({"estimated": expected.estimate.to_dict()})
        LOG.info("job %s: %s", self.job.id, expected.in_words())
        expected.require_room()
        return expected.question.plan

    def _measuring(self) -> machine.Place:
        """Where this machine is measured, if it has to be; a stop is heard meanwhile."""
        return machine.Place(records=self.ground.settings.processes_folder, log=self.log, check=self.lease.check)

    def _expected(self) -> dict[str, Any]:
        """What this attempt, or one before it, said that the run would take; empty where nothing could be said."""
        with self.ground.database.read() as connection:
            job = jobs.by_id(connection, self.job.id)
        found: dict[str, Any] = ((job and job.estimate) or {}).get("estimated", {})
        return found

    def _grade(self, expected: dict[str, Any], finished: Finished, trained_tokens: int) -> None:
        resumed = self.job.attempts > 1  # a run that went on from a checkpoint did not take what a whole one takes
        self._say_estimate(grade(expected, finished, trained_tokens, resumed=resumed))
        if not resumed:
            estimating.learn(self.ground.settings.machine_file, expected, finished)

    def _say_estimate(self, said: dict[str, Any]) -> None:
        jobs.set_estimate(self.ground.database, self.claimed, said)
        place = data.output_of(self.job).below(artifacts.ESTIMATE_FILE)
        content = json.dumps(said, indent=1).encode()
        data.access_of(self.ground, self.job).put(place, content, "application/json")

    def _listen(self, training: launch.Training, metrics: MetricsFiles) -> Finished:
        last: Event | None = None
        records = self.ground.settings.processes_folder
        try:
            # Closed at once, whatever is raised in here: the child must be gone before anybody hears of the end.
            with contextlib.closing(launch.train(training, records, self.lease.check)) as events:
                for last in events:
                    metrics.take(last)
                    self._heed(last)
        except (JobFailure, StopRequested):
            with contextlib.suppress(JobFailure):  # the bucket may be what failed
                metrics.write()
                metrics.draw()
            raise
        assert isinstance(last, Finished)
        return last

    def publish(self) -> None:
        """The sealed model moves to its place, whole and on disk. It may be there already: a commit can fail."""
        made, place = self.folder / "out", self.ground.model_folder(self.job.id)
        if made.exists():
            shutil.rmtree(place, ignore_errors=True)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made.rename(place)
        sync_folder(place.parent)

    def _questions(self, key: bytes) -> questions.Kept:
        return questions.Kept(self._prepared_folder(), self.job.id, key)

    def _prepared_folder(self) -> Path:
        folder = self.work_folder / "prepared"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def _heed(self, event: Event) -> None:
        """What happened to the training on the way goes into the job's history, and into the log."""
        if isinstance(event, Started):
            LOG.info("job %s: %s", self.job.id, event)
        entry = succession.history_entry(event)
        if entry is not None:
            self._note(entry)

    def _note(self, entry: dict[str, Any]) -> None:
        told = {**entry, "attempt": self.job.attempts, "at": self.ground.clock().isoformat()}
        LOG.info("job %s: %s", self.job.id, told)
        jobs.note(self.ground.database, self.claimed, told)

    def _data_key(self) -> bytes:
        """The job's own key: made at the first attempt, opened again at every later one."""
        context = key_context(self.job.id)
        try:
            if self.job.data_key is not None:
                return self.ground.keys.unwrap(self.job.data_key, context)
            key, wrapped = self.ground.keys.generate_data_key(self.job.kms_key_arn, context)
        except Fault as fault:
            raise JobFailure(f"The KMS key {self.job.kms_key_arn} cannot be used: {fault.message}") from fault
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
