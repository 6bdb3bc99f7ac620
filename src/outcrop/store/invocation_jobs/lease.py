"""What a worker does with batch inference jobs: claim, beat, move, advance, settle.

As with customization jobs, every write names the claim's fencing number: a worker that lost its lease gets `LeaseLost`.
Knows nothing of files or engines.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import InvocationJobStatus, invocation_job_may_move
from outcrop.store.database import Database
from outcrop.store.invocation_jobs.row import INVOCATION_JOBS, UNFINISHED, InvocationJob, from_row
from outcrop.store.jobs import LeaseLost

MESSAGE_LIMIT = 2048  # the API's own limit
_C = INVOCATION_JOBS.c
_UNFINISHED = _C.status.in_(UNFINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedInvocationJob:
    """A job as it was when it was claimed, and the fencing number that its writes must carry."""

    job: InvocationJob
    owner: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Answers that are kept now: how far they reach, and how many there are in all."""

    position: dict[str, int]
    success_records: int
    error_records: int
    input_tokens: int
    output_tokens: int


def claim(database: Database, owner: str, now: datetime, lease_s: float, slots: int) -> ClaimedInvocationJob | None:
    """The oldest unfinished job that nobody holds, or None (also when `slots` jobs are held already)."""
    with database.read() as connection:  # an idle worker looks often: it must not take the write lock each time
        if _oldest_free(connection, now, slots) is None:
            return None
    with database.write() as connection:
        job = _oldest_free(connection, now, slots)
        return None if job is None else _take(connection, job, owner, now + timedelta(seconds=lease_s))


def _oldest_free(connection: sa.Connection, now: datetime, slots: int) -> InvocationJob | None:
    held = sa.select(sa.func.count()).where(_UNFINISHED, _C.lease_until > now)
    if connection.execute(held).scalar_one() >= slots:
        return None
    oldest = sa.select(INVOCATION_JOBS).where(_UNFINISHED, _free(now)).order_by(_C.created_at, _C.id).limit(1)
    row = connection.execute(oldest).first()
    return None if row is None else from_row(row)


def _free(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(_C.lease_until.is_(None), _C.lease_until <= now)


def _take(connection: sa.Connection, job: InvocationJob, owner: str, until: datetime) -> ClaimedInvocationJob:
    values: dict[str, Any] = {
        "owner": owner,
        "fence": job.fence + 1,
        "attempts": job.attempts + 1,
        "lease_until": until,
    }
    connection.execute(sa.update(INVOCATION_JOBS).where(_C.id == job.id).values(values))
    return ClaimedInvocationJob(job=replace(job, **values), owner=owner, fence=job.fence + 1)


def expire_waiting(database: Database, now: datetime) -> int:
    """Jobs whose time ran out before any worker began them are Expired; how many."""
    late = (_C.status == InvocationJobStatus.SUBMITTED.value, _C.expires_at <= now, _C.owner.is_(None))
    with database.read() as connection:
        if connection.execute(sa.select(_C.id).where(*late).limit(1)).first() is None:
            return 0
    ended = {"status": InvocationJobStatus.EXPIRED.value, "ended_at": now, "modified_at": now}
    with database.write() as connection:
        return connection.execute(sa.update(INVOCATION_JOBS).where(*late).values(ended)).rowcount


def beat(database: Database, claimed: ClaimedInvocationJob, now: datetime, lease_s: float) -> bool:
    """Keep the lease for another `lease_s`. True: a stop was requested. Raises LeaseLost."""
    with database.write() as connection:
        return _held(connection, claimed, lease_until=now + timedelta(seconds=lease_s)).stop_requested


def move(database: Database, claimed: ClaimedInvocationJob, status: InvocationJobStatus, now: datetime) -> None:
    """Say how far the job is; a stop that was requested meanwhile stands. Raises LeaseLost."""
    with database.write() as connection:
        job = _held(connection, claimed)
        if not job.stop_requested:
            assert invocation_job_may_move(job.status, status), f"{job.id} cannot go from {job.status} to {status}"
            _held(connection, claimed, status=status.value, modified_at=now)


def set_data_key(database: Database, claimed: ClaimedInvocationJob, wrapped: bytes) -> None:
    """Remember the wrapped key of the answers, which whoever takes the job over needs. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, data_key=wrapped)


def set_inputs(
    database: Database, claimed: ClaimedInvocationJob, inputs: list[dict[str, Any]], total_records: int
) -> None:
    """Remember what validation found. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, inputs=inputs, total_records=total_records)


def advance(database: Database, claimed: ClaimedInvocationJob, advance: Advance, now: datetime) -> None:
    """Remember how far the answers reach that are kept. Raises LeaseLost."""
    with database.write() as connection:
        _held(
            connection,
            claimed,
            position=advance.position,
            success_records=advance.success_records,
            error_records=advance.error_records,
            input_tokens=advance.input_tokens,
            output_tokens=advance.output_tokens,
            modified_at=now,
        )


def settle(
    database: Database, claimed: ClaimedInvocationJob, status: InvocationJobStatus, message: str | None, now: datetime
) -> InvocationJob:
    """End a job. Raises LeaseLost."""
    with database.write() as connection:
        job = _held(connection, claimed)
        assert invocation_job_may_move(job.status, status), f"{job.id} cannot go from {job.status} to {status}"
        return _held(
            connection,
            claimed,
            status=status.value,
            message=None if message is None else message[:MESSAGE_LIMIT],
            ended_at=now,
            modified_at=now,
            lease_until=None,
        )


def release_owner(database: Database, owner: str) -> int:
    """This owner is known to be dead: its jobs are free at once, and its fencing numbers no longer count."""
    mine = sa.and_(_C.owner == owner, _UNFINISHED)
    with database.write() as connection:
        freed = sa.update(INVOCATION_JOBS).where(mine).values(owner=None, lease_until=None, fence=_C.fence + 1)
        return connection.execute(freed).rowcount


def release(database: Database, claimed: ClaimedInvocationJob) -> None:
    """Hand a job back unfinished (the worker is shutting down): anybody may claim it. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, owner=None, lease_until=None, fence=claimed.fence + 1)


def _held(connection: sa.Connection, claimed: ClaimedInvocationJob, **values: Any) -> InvocationJob:
    """The fence: the job as it is now, after `values` were written, if it is still this worker's; else LeaseLost."""
    mine = (_C.id == claimed.job.id, _C.fence == claimed.fence, _UNFINISHED)
    if values:
        statement: Any = sa.update(INVOCATION_JOBS).where(*mine).values(values).returning(*_C)
    else:
        statement = sa.select(INVOCATION_JOBS).where(*mine)
    row = connection.execute(statement).first()
    if row is None:
        raise LeaseLost(f"Job {claimed.job.id} is no longer held by {claimed.owner} (fence {claimed.fence}).")
    return from_row(row)
