"""What a worker does with jobs: claim, beat, move, settle.

A job is claimed under a lease with a fencing number. Every later write names that number, so that a worker that lost
its lease (it hung, another took over) can change nothing any more: it gets `LeaseLost`. Knows nothing of training.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import OutcropError
from outcrop.domain.states import JobStatus, ModelStatus, Phase, PhaseStatus, may_move
from outcrop.store import models, tags
from outcrop.store.database import Database
from outcrop.store.jobs.ending import Outcome, ending, moved
from outcrop.store.jobs.row import JOBS, NO_PHASES, UNFINISHED, Job, from_row


class LeaseLost(OutcropError):
    """The job is no longer this worker's: stop working on it and touch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job as it was when it was claimed, and the fencing number that its writes must carry."""

    job: Job
    owner: str
    fence: int


def claim(database: Database, owner: str, now: datetime, lease_s: float, slots: int) -> ClaimedJob | None:
    """The oldest unfinished job that nobody holds, or None (also when `slots` jobs are held already)."""
    with database.read() as connection:  # an idle worker looks often: it must not take the write lock each time
        if _oldest_free(connection, now, slots) is None:
            return None
    with database.write() as connection:
        job = _oldest_free(connection, now, slots)
        return None if job is None else _take(connection, job, owner, now + timedelta(seconds=lease_s))


def _oldest_free(connection: sa.Connection, now: datetime, slots: int) -> Job | None:
    unfinished, held = JOBS.c.status.in_(UNFINISHED), JOBS.c.lease_until > now
    free = sa.or_(JOBS.c.lease_until.is_(None), JOBS.c.lease_until <= now)
    if connection.execute(sa.select(sa.func.count()).where(unfinished, held)).scalar_one() >= slots:
        return None
    oldest = sa.select(JOBS).where(unfinished, free).order_by(JOBS.c.created_at, JOBS.c.id).limit(1)
    row = connection.execute(oldest).first()
    return None if row is None else from_row(row)


def _take(connection: sa.Connection, job: Job, owner: str, until: datetime) -> ClaimedJob:
    """Phases stay as the attempt before left them: this one may go on from there, or `begin_again`."""
    values: dict[str, Any] = {
        "owner": owner,
        "fence": job.fence + 1,
        "attempts": job.attempts + 1,
        "lease_until": until,
    }
    connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(values))
    return ClaimedJob(job=replace(job, **values), owner=owner, fence=job.fence + 1)


def beat(database: Database, claimed: ClaimedJob, now: datetime, lease_s: float) -> bool:
    """Keep the lease for another `lease_s`. True: a stop was requested. Raises LeaseLost."""
    with database.write() as connection:
        return _held(connection, claimed, lease_until=now + timedelta(seconds=lease_s)).stop_requested


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
            _make_model(connection, settled, outcome.checkpoint, now)
            publish()
        return settled


def release_owner(database: Database, owner: str) -> int:
    """This owner is known to be dead: its jobs are free at once, and its fencing numbers no longer count."""
    mine = sa.and_(JOBS.c.owner == owner, JOBS.c.status.in_(UNFINISHED))
    with database.write() as connection:
        freed = sa.update(JOBS).where(mine).values(owner=None, lease_until=None, fence=JOBS.c.fence + 1)
        return connection.execute(freed).rowcount


def release(database: Database, claimed: ClaimedJob) -> None:
    """Hand a job back unfinished (the worker is shutting down): anybody may claim it. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, owner=None, lease_until=None, fence=claimed.fence + 1)


def _held(connection: sa.Connection, claimed: ClaimedJob, **values: Any) -> Job:
    """The fence: the job as it is now, after `values` were written, if it is still this worker's; else LeaseLost."""
    mine = (JOBS.c.id == claimed.job.id, JOBS.c.fence == claimed.fence, JOBS.c.status.in_(UNFINISHED))
    if values:
        statement: Any = sa.update(JOBS).where(*mine).values(values).returning(*JOBS.c)
    else:
        statement = sa.select(JOBS).where(*mine)
    row = connection.execute(statement).first()
    if row is None:
        raise LeaseLost(f"Job {claimed.job.id} is no longer held by {claimed.owner} (fence {claimed.fence}).")
    return from_row(row)


def _make_model(connection: sa.Connection, job: Job, checkpoint: str, now: datetime) -> None:
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
        checkpoint=checkpoint,
        kms_key_arn=job.kms_key_arn,
        data_key=job.data_key,
        created_at=now,
    )
    models.add(connection, model)
    tags.put(connection, model.arn, job.model_tags)
