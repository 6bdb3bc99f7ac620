"""What callers do with batch inference jobs: queue, find, list, stop. Knows nothing of leases."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import InvocationJobStatus, invocation_job_may_move
from outcrop.store.invocation_jobs.row import INVOCATION_JOBS, UNFINISHED, InvocationJob, columns_of, from_row
from outcrop.store.listing import Listing, contains
from outcrop.store.prepared import Prepared

_C = INVOCATION_JOBS.c
_HERE = [column == sa.bindparam(column.name) for column in (_C.region, _C.account)]
_FOUND = sa.select(INVOCATION_JOBS).where(*_HERE)
_BY_ARN = Prepared(_FOUND.where(_C.arn == sa.bindparam("identifier")))
_BY_ID = Prepared(_FOUND.where(_C.id == sa.bindparam("identifier")))
LISTING = Listing(
    INVOCATION_JOBS,
    list(_C),
    {
        "account": lambda value: _C.account == value,
        "region": lambda value: _C.region == value,
        "created_after": lambda value: _C.created_at > value,
        "created_before": lambda value: _C.created_at < value,
        "status": lambda value: _C.status == value,
        "name_contains": contains(_C.name),
    },
)


def add(connection: sa.Connection, job: InvocationJob) -> None:
    """Queue a job."""
    connection.execute(sa.insert(INVOCATION_JOBS).values(columns_of(job)))


def find(connection: sa.Connection, region: str, account: str, identifier: str) -> InvocationJob | None:
    """The job of this ARN or id, in this Region and account."""
    found = _BY_ARN if identifier.startswith("arn:") else _BY_ID
    row = found.first(connection, {"region": region, "account": account, "identifier": identifier})
    return None if row is None else from_row(row)


def is_name_taken(connection: sa.Connection, region: str, account: str, name: str) -> bool:
    """Whether a job of this Region and account has the name."""
    same = (_C.account == account, _C.region == region, _C.name == name)
    return connection.execute(sa.select(_C.id).where(*same)).first() is not None


def count_unfinished(connection: sa.Connection, region: str, account: str) -> int:
    """How many jobs are queued or running here."""
    mine = (_C.account == account, _C.region == region, _C.status.in_(UNFINISHED))
    return int(connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one())


def names_asking(connection: sa.Connection, model_id: str) -> list[str]:
    """The names of unfinished jobs that ask this custom model."""
    needs = (_C.custom_model_id == model_id, _C.status.in_(UNFINISHED))
    return list(connection.execute(sa.select(_C.name).where(*needs).order_by(_C.name)).scalars())


def request_stop(connection: sa.Connection, job: InvocationJob, now: datetime) -> None:
    """Ask a job to stop. One that nobody holds and that has no answer yet is Stopped at once; else its worker does it.

    What was answered before is put in its place first, and only a worker can.
    """
    assert invocation_job_may_move(job.status, InvocationJobStatus.STOPPING), f"{job.id} is {job.status}"
    values: dict[str, Any] = {"status": InvocationJobStatus.STOPPING.value, "modified_at": now}
    if job.owner is None and not job.processed_records:
        values |= {"status": InvocationJobStatus.STOPPED.value, "ended_at": now}
    connection.execute(sa.update(INVOCATION_JOBS).where(_C.id == job.id).values(values))
