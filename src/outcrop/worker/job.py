"""One claimed job, from launch to settling: the story. Knows nothing of how jobs are claimed.

Whoever takes a job over uses its data where that is ready, and trains on from the newest whole checkpoint. Of what an
attempt that lost its lease still writes, nobody reads anything but checkpoints, and those are bound to the job, its
plan and their step.
"""

import logging
import threading
from pathlib import Path

from sqlalchemy.exc import OperationalError

from outcrop.domain.checkpoint_digest import digest_of, require_unchanged
from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.probes import PROBE_ROWS
from outcrop.domain.states import JobStatus, Phase, PhaseStatus
from outcrop.store import jobs
from outcrop.store.jobs import ClaimedJob, LeaseLost, Outcome
from outcrop.worker import data, foresight, gate, planning, proving, room, settling, succession, watch
from outcrop.worker.attempt import Attempt
from outcrop.worker.ground import WorkerGround
from outcrop.worker.lease import Closing, Lease, Lost, StopRequested

ATTEMPTS_LIMIT = 20  # a job that takes its worker down every time must not do so for ever
LOG = logging.getLogger(__name__)


def run(ground: WorkerGround, claimed: ClaimedJob, closing: threading.Event) -> None:
    """Take a claimed job to its end. Never raises for what the job did; a lost lease is only logged."""
    lease_s = ground.settings.lease_s
    try:
        with Lease(
            lambda: jobs.beat(ground.database, claimed, ground.clock(), lease_s), lease_s, LeaseLost, closing
        ) as lease:
            attempt = Attempt(ground, claimed, lease)
            settling.settle(attempt, settling.outcome_of(_work, attempt), closing)
    except (Lost, LeaseLost):
        LOG.warning("job %s, attempt %s: this worker does not hold it any more", claimed.job.id, claimed.job.attempts)
    except Closing:
        _hand_back(ground, claimed)


def _work(attempt: Attempt) -> Outcome:
    """The phases, in order."""
    _require_another_attempt(attempt)
    plan, key = _ready(attempt) or _prepare(attempt)
    with attempt.phase(Phase.TRAINING), gate.warming(attempt.ground, plan.base_checkpoint):
        room.require_room(attempt.ground.settings.run_folder, plan, attempt.lease.check)
        digest = digest_of(Path(plan.base_checkpoint))
        finished, metrics = watch.train(attempt, plan, key)
        proving.prove(attempt, plan, key, metrics)
        require_unchanged(Path(plan.base_checkpoint), digest)
    return Outcome(
        status=JobStatus.COMPLETED,
        training_loss=finished.training_loss,
        validation_losses=finished.validation_losses,
        checkpoint=plan.base_checkpoint,
        checkpoint_digest=digest,
    )


def _require_another_attempt(attempt: Attempt) -> None:
    if attempt.job.stop_requested:
        raise StopRequested
    if attempt.job.attempts > ATTEMPTS_LIMIT:
        raise JobFailure(
            f"The job was begun {ATTEMPTS_LIMIT} times, and each time its worker was stopped or killed before it "
            "had ended; the worker's log tells more."
        )


def _ready(attempt: Attempt) -> tuple[TrainingPlan, bytes] | None:
    """The plan and the key of an earlier attempt whose rows are whole, and what the gate asks about them.

    Their two phases stay as they are.
    """
    attempt.lease.check()
    done = attempt.job.phases[Phase.DATA_PROCESSING]["status"] == PhaseStatus.COMPLETED
    plan = succession.kept_plan(attempt.work_folder) if done else None
    if plan is None or not data.are_whole(plan, key := attempt.data_key(), attempt.lease.check):
        return None
    return (plan, key) if attempt.questions(key).are_whole() else None


def _prepare(attempt: Attempt) -> tuple[TrainingPlan, bytes]:
    """Validation and data processing; what they come to is kept for later attempts."""
    if attempt.job.attempts > 1:
        jobs.begin_again(attempt.ground.database, attempt.claimed)
        attempt.note({"event": "restarted", "phase": Phase.VALIDATION.value})
    with attempt.phase(Phase.VALIDATION):
        key = attempt.data_key()
        planning.parent_key(attempt.ground, attempt.job)  # a parent that cannot be used is said before the data is read
        sources = data.Sources.of(attempt.ground, attempt.job)
        seen = sources.check(attempt.lease.check)
    with attempt.phase(Phase.DATA_PROCESSING):
        prepared = attempt.prepared_folder()
        rows = sources.write_rows(prepared, key, seen, attempt.lease.check)
        plan = planning.make_plan(attempt.ground, attempt.job, rows, foresight.measuring(attempt))
        attempt.questions(key).write(sources, seen, max(PROBE_ROWS, plan.generation_sample))
        plan = foresight.with_room(attempt, plan, rows)
        succession.keep_plan(attempt.work_folder, plan)
    return plan, key


def _hand_back(ground: WorkerGround, claimed: ClaimedJob) -> None:
    try:
        jobs.release(ground.database, claimed)
        LOG.info("job %s is handed back", claimed.job.id)
    except (LeaseLost, OperationalError) as error:  # the next worker frees what this one held
        LOG.info("job %s could not be handed back (%s)", claimed.job.id, type(error).__name__)
