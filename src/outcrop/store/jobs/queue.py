"""What callers do with jobs: queue, find, list, stop. Knows nothing of leases."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import JobStatus, PhaseStatus, may_move
from outcrop.store.jobs.ending import Outcome, ending, swept
from outcrop.store.jobs.row import JOBS, UNFINISHED, Job, columns_of, from_row
from outcrop.store.listing import Listing, contains
from outcrop.store.prepared import NameOrArn, Prepared

_NAME_OR_ARN = NameOrArn(JOBS)
_BY_ID = Prepared(sa.select(JOBS).where(JOBS.c.id == sa.bindparam("id")))
SUMMARY = (
    JOBS.c.arn,
    JOBS.c.base_model_id,
    JOBS.c.name,
    JOBS.c.status,
    JOBS.c.created_at,
    JOBS.c.modified_at,
    JOBS.c.ended_at,
    JOBS.c.model_id,
    JOBS.c.model_name,
    JOBS.c.customization_type,
    JOBS.c.phases,
    JOBS.c.id,
)
LISTING = Listing(
    JOBS,
    SUMMARY,
    {
        "account": lambda value: JOBS.c.account == value,
        "region": lambda value: JOBS.c.region == value,
        "created_after": lambda value: JOBS.c.created_at > value,
        "created_before": lambda value: JOBS.c.created_at < value,
        "status": lambda value: JOBS.c.status == value,
        "name_contains": contains(JOBS.c.name),
    },
)


def add(connection: sa.Connection, job: Job) -> None:
    """Queue a job."""
    connection.execute(sa.insert(JOBS).values(columns_of(job)))


def find(connection: sa.Connection, region: str, account: str, identifier: str) -> Job | None:
    """The job of this name or ARN, in this Region and account."""
    row = _NAME_OR_ARN.first(connection, region, account, identifier)
    return None if row is None else from_row(row)


def by_id(connection: sa.Connection, job_id: str) -> Job | None:
    """The job of this id."""
    row = _BY_ID.first(connection, {"id": job_id})
    return None if row is None else from_row(row)


def count_unfinished(connection: sa.Connection, region: str, account: str) -> int:
    """How many jobs are queued or running here."""
    mine = (JOBS.c.account == account, JOBS.c.region == region, JOBS.c.status.in_(UNFINISHED))
    return int(connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one())


def making_model_named(connection: sa.Connection, region: str, account: str, model_name: str) -> Job | None:
    """The unfinished job whose model will have this name."""
    mine = (JOBS.c.account == account, JOBS.c.region == region, JOBS.c.status.in_(UNFINISHED))
    row = connection.execute(sa.select(JOBS).where(JOBS.c.model_name == model_name, *mine)).first()
    return None if row is None else from_row(row)


def names_continuing(connection: sa.Connection, model_id: str) -> list[str]:
    """The names of unfinished jobs that train on from this custom model."""
    needs = (JOBS.c.parent_id == model_id, JOBS.c.status.in_(UNFINISHED))
    return list(connection.execute(sa.select(JOBS.c.name).where(*needs).order_by(JOBS.c.name)).scalars())


def request_stop(connection: sa.Connection, job: Job, now: datetime) -> JobStatus:
    """Ask an InProgress job to stop. One that no worker holds is Stopped at once; else its worker does it."""
    assert may_move(job.status, JobStatus.STOPPING), f"a job cannot go from {job.status} to Stopping"
    stopping = replace(job, status=JobStatus.STOPPING, phases=swept(job.phases, PhaseStatus.STOPPING, now))
    values: dict[str, Any] = {"status": stopping.status.value, "phases": stopping.phases, "modified_at": now}
    if job.owner is None:
        values = ending(stopping, Outcome(status=JobStatus.STOPPED), now)
    connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(values))
    return JobStatus(values["status"])
