"""What a worker does with a batch inference job that it holds: move, advance, settle. Every write is fenced.

How jobs are claimed and kept is every kind's (`store/leases.py`). Knows nothing of files or engines.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import InvocationJobStatus, invocation_job_may_move
from outcrop.store.database import Database
from outcrop.store.invocation_jobs.row import INVOCATION_JOBS, UNFINISHED, InvocationJob, from_row
from outcrop.store.leases import Claimed, Leases

MESSAGE_LIMIT = 2048  # the API's own limit
_C = INVOCATION_JOBS.c
ClaimedInvocationJob = Claimed[InvocationJob]
_LEASES = Leases(INVOCATION_JOBS, UNFINISHED, from_row)
_held = _LEASES.held
claim, beat, release, release_owner = _LEASES.claim, _LEASES.beat, _LEASES.release, _LEASES.release_owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Answers that are kept now: how far they reach, and how many there are in all."""

    position: dict[str, int]
    success_records: int
    error_records: int
    input_tokens: int
    output_tokens: int


def expire_waiting(database: Database, now: datetime) -> int:
    """Jobs whose time ran out before any worker began them are Expired; how many."""
    late = (_C.status == InvocationJobStatus.SUBMITTED.value, _C.expires_at <= now, _C.owner.is_(None))
    with database.read() as connection:
        if connection.execute(sa.select(_C.id).where(*late).limit(1)).first() is None:
            return 0
    ended = {"status": InvocationJobStatus.EXPIRED.value, "ended_at": now, "modified_at": now}
    with database.write() as connection:
        return connection.execute(sa.update(INVOCATION_JOBS).where(*late).values(ended)).rowcount


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
