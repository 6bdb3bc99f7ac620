"""What a worker does with a job that it holds: move, note, settle. Every write is fenced. Knows nothing of training.

How jobs are claimed and kept is every kind's (`store/leases.py`). Phases stay as the attempt before left them: the next
one may go on from there, or `begin_again`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import JobStatus, ModelStatus, Phase, PhaseStatus, may_move
from outcrop.store import models, tags
from outcrop.store.database import Database
from outcrop.store.jobs.ending import Outcome, ending, moved
from outcrop.store.jobs.row import JOBS, NO_PHASES, UNFINISHED, Job, from_row
from outcrop.store.leases import Claimed, Leases

ClaimedJob = Claimed[Job]
_LEASES = Leases(JOBS, UNFINISHED, from_row)
_held = _LEASES.held
claim, beat, release, release_owner = _LEASES.claim, _LEASES.beat, _LEASES.release, _LEASES.release_owner


def set_phase(database: Database, claimed: ClaimedJob, phase: Phase, status: PhaseStatus, now: datetime) -> None:
    """Say how far the job is. A phase's creation time is when it first left NotStarted. Raises LeaseLost."""
    with database.write() as connection:
        job = _held(connection, claimed)
        _held(connection, claimed, phases=moved(job.phases, phase, status, now), modified_at=now)


def begin_again(database: Database, claimed: ClaimedJob) -> None:
    """Nothing of an earlier attempt is of use: no phase has begun. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, phases=NO_PHASES)


def note(database: Database, claimed: ClaimedJob, entry: dict[str, Any]) -> None:
    """Append to the job's history. Raises LeaseLost."""
    with database.write() as connection:
        job = _held(connection, claimed)
        _held(connection, claimed, history=[*job.history, entry])


def set_data_key(database: Database, claimed: ClaimedJob, wrapped: bytes) -> None:
    """Remember the job's wrapped data key, which whoever takes the job over needs. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, data_key=wrapped)


def set_estimate(database: Database, claimed: ClaimedJob, estimate: dict[str, Any]) -> None:
    """Remember what is expected of the run or, once it has ended, how that was graded. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, estimate=estimate)


def settle(
    database: Database,
    claimed: ClaimedJob,
    outcome: Outcome,
    now: datetime,
    publish: Callable[[], None] = lambda: None,
) -> Job:
    """End a job; a Completed one makes its model, with its tags, in the same transaction. Raises LeaseLost.

    `publish` puts a Completed job's files in their place: it is called while the fence holds, so that no worker that
    lost the job can touch them. What it raises leaves the job as it was.
    """
    with database.write() as connection:
        job = _held(connection, claimed)
        assert may_move(job.status, outcome.status), f"a job cannot go from {job.status} to {outcome.status}"
        settled = _held(connection, claimed, **ending(job, outcome, now))
        if outcome.status is JobStatus.COMPLETED:
            _make_model(connection, settled, outcome, now)
            publish()
        return settled


def _make_model(connection: sa.Connection, job: Job, outcome: Outcome, now: datetime) -> None:
    model = models.CustomModel(
        id=job.model_id,
        arn=job.model_arn,
        account=job.account,
        region=job.region,
        name=job.model_name,
        status=ModelStatus.ACTIVE,
        job_id=job.id,
        base_model_id=job.base_model_id,
        parent_id=job.parent_id,
        customization_type=job.customization_type,
        checkpoint=outcome.checkpoint,
        checkpoint_digest=outcome.checkpoint_digest,
        kms_key_arn=job.kms_key_arn,
        data_key=job.data_key,
        created_at=now,
    )
    models.add(connection, model)
    tags.put(connection, model.arn, job.model_tags)
