"""Customization jobs: one row holds all there is to know, lease included.

A worker claims a job under a lease with a fencing number. Every later write names that number, so that a worker that
lost its lease (it hung, another took over) can change nothing any more: it gets `LeaseLost`.
Knows nothing of training, of files, nor of what a request may contain.
"""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import OutcropError
from outcrop.domain.states import JobStatus, ModelStatus, Phase, PhaseStatus, may_move
from outcrop.store import models, tags
from outcrop.store.database import METADATA, Database, Moment
from outcrop.store.listing import Listing, contains
from outcrop.store.prepared import NameOrArn, Prepared

UNFINISHED = (JobStatus.IN_PROGRESS.value, JobStatus.STOPPING.value)
FAILURE_MESSAGE_LIMIT = 2048  # the API's own limit

JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("region", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("client_request_token", sa.String),
    sa.Column("model_id", sa.String(12), nullable=False, unique=True),
    sa.Column("model_name", sa.String, nullable=False),
    sa.Column("model_tags", sa.JSON, nullable=False),
    sa.Column("base_model_id", sa.String, nullable=False),
    sa.Column("parent_id", sa.String(12)),
    sa.Column("customization_type", sa.String, nullable=False),
    sa.Column("role_arn", sa.String, nullable=False),
    sa.Column("kms_key_arn", sa.String),
    sa.Column("data_key", sa.LargeBinary),
    sa.Column("hyperparameters", sa.JSON, nullable=False),
    sa.Column("training_data", sa.JSON, nullable=False),
    sa.Column("validation_data", sa.JSON, nullable=False),
    sa.Column("output_data", sa.JSON, nullable=False),
    sa.Column("vpc", sa.JSON(none_as_null=True)),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("phases", sa.JSON, nullable=False),
    sa.Column("failure_message", sa.String),
    sa.Column("training_loss", sa.Float(53)),
    sa.Column("validation_losses", sa.JSON, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("modified_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("owner", sa.String),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("lease_until", Moment),
    sa.UniqueConstraint("account", "region", "name", name="jobs_by_name"),
    sa.Index("jobs_in_order", "account", "region", "created_at", "id"),
    sa.Index("jobs_by_status", "status", "created_at", "id"),
)

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
_NAME_OR_ARN = NameOrArn(JOBS)
_BY_ID = Prepared(sa.select(JOBS).where(JOBS.c.id == sa.bindparam("id")))
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

Phases = dict[str, dict[str, Any]]
NO_PHASES: Phases = {phase.value: {"status": PhaseStatus.NOT_STARTED.value} for phase in Phase}


class LeaseLost(OutcropError):
    """The job is no longer this worker's: stop working on it and touch nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One customization job.

    `hyperparameters` are the stated ones (strings). `training_data`, `validation_data`, `output_data` and `vpc` are
    the request's members as they came. `phases` maps a Phase's member name to status, creationTime and
    lastModifiedTime (seconds since 1970). `data_key` is the job's wrapped data key, once the worker has made it;
    the model inherits it. The model's folder is named by the job's `id`; its public id is `model_id`.
    """

    id: str
    arn: str
    account: str
    region: str
    name: str
    client_request_token: str | None = None
    model_id: str
    model_name: str
    model_tags: dict[str, str]
    base_model_id: str
    parent_id: str | None = None
    customization_type: str
    role_arn: str
    kms_key_arn: str | None = None
    data_key: bytes | None = None
    hyperparameters: dict[str, str]
    training_data: dict[str, Any]
    validation_data: dict[str, Any]
    output_data: dict[str, Any]
    vpc: dict[str, Any] | None = None
    status: JobStatus = JobStatus.IN_PROGRESS
    phases: Phases
    failure_message: str | None = None
    training_loss: float | None = None
    validation_losses: list[float]
    created_at: datetime
    modified_at: datetime
    ended_at: datetime | None = None
    attempts: int = 0
    owner: str | None = None
    fence: int = 0
    lease_until: datetime | None = None

    @property
    def model_arn(self) -> str:
        """The ARN that the model has, or will have once the job has completed."""
        return arns.custom_model(self.region, self.account, self.base_model_id, self.model_id)

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked for this job to stop."""
        return self.status is JobStatus.STOPPING


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedJob:
    """A job as it was when it was claimed, and the fencing number that its writes must carry."""

    job: Job
    owner: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ends. `checkpoint` (the base checkpoint's folder) belongs to a Completed one."""

    status: JobStatus
    failure_message: str | None = None
    training_loss: float | None = None
    validation_losses: tuple[float, ...] = ()
    checkpoint: str = ""


# --- what a worker does -----------------------------------------------------------------------------------------------


def claim(database: Database, owner: str, now: datetime, lease_s: float, slots: int) -> ClaimedJob | None:
    """The oldest unfinished job that nobody holds, or None (also when `slots` jobs are held already)."""
    held = sa.and_(JOBS.c.status.in_(UNFINISHED), JOBS.c.lease_until > now)
    free = sa.and_(JOBS.c.status.in_(UNFINISHED), sa.or_(JOBS.c.lease_until.is_(None), JOBS.c.lease_until <= now))
    with database.write() as connection:
        if connection.execute(sa.select(sa.func.count()).where(held)).scalar_one() >= slots:
            return None
        oldest = sa.select(JOBS).where(free).order_by(JOBS.c.created_at, JOBS.c.id).limit(1)
        row = connection.execute(oldest).first()
        return None if row is None else _take(connection, from_row(row), owner, now + timedelta(seconds=lease_s))


def _take(connection: sa.Connection, job: Job, owner: str, until: datetime) -> ClaimedJob:
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
        _held(connection, claimed, phases=_moved(job.phases, phase, status, now), modified_at=now)


def set_data_key(database: Database, claimed: ClaimedJob, wrapped: bytes) -> None:
    """Remember the job's wrapped data key, which whoever takes the job over needs. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, data_key=wrapped)


def record_metrics(
    database: Database, claimed: ClaimedJob, training_loss: float | None, validation_losses: tuple[float, ...]
) -> None:
    """Remember computed losses; `None` and an empty tuple leave what is there. Raises LeaseLost."""
    with database.write() as connection:
        _held(connection, claimed, **_metrics(training_loss, validation_losses))


def settle(database: Database, claimed: ClaimedJob, outcome: Outcome, now: datetime) -> Job:
    """End a job; a Completed one makes its model, with its tags, in the same transaction. Raises LeaseLost."""
    with database.write() as connection:
        job = _held(connection, claimed)
        assert may_move(job.status, outcome.status), f"a job cannot go from {job.status} to {outcome.status}"
        settled = _held(connection, claimed, **_ending(job, outcome, now))
        if outcome.status is JobStatus.COMPLETED:
            _make_model(connection, settled, outcome.checkpoint, now)
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


# --- what the service does --------------------------------------------------------------------------------------------


def add(connection: sa.Connection, job: Job) -> None:
    """Queue a job."""
    connection.execute(sa.insert(JOBS).values({**_columns(job), "status": job.status.value}))


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
    """Ask an InProgress job to stop. One that was never claimed is Stopped at once; else its worker does it."""
    assert may_move(job.status, JobStatus.STOPPING), f"a job cannot go from {job.status} to Stopping"
    stopping = replace(job, status=JobStatus.STOPPING, phases=_sweep(job.phases, PhaseStatus.STOPPING, now))
    values: dict[str, Any] = {"status": stopping.status.value, "phases": stopping.phases, "modified_at": now}
    if job.attempts == 0:
        values = _ending(stopping, Outcome(status=JobStatus.STOPPED), now)
    connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(values))
    return JobStatus(values["status"])


def from_row(row: Any) -> Job:
    """A job of a row that has every column."""
    values = dict(zip(JOBS.c.keys(), row, strict=True))
    return Job(**{**values, "status": JobStatus(values["status"])})


# --- helpers ----------------------------------------------------------------------------------------------------------


def _columns(job: Job) -> dict[str, Any]:
    return {field.name: getattr(job, field.name) for field in fields(job)}


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


def _ending(job: Job, outcome: Outcome, now: datetime) -> dict[str, Any]:
    message = outcome.failure_message
    return {
        "status": outcome.status.value,
        "phases": _sweep(job.phases, PhaseStatus(outcome.status.value), now),
        "failure_message": None if message is None else message[:FAILURE_MESSAGE_LIMIT],
        "ended_at": now,
        "modified_at": now,
        "lease_until": None,
        **_metrics(outcome.training_loss, outcome.validation_losses),
    }


def _metrics(training_loss: float | None, validation_losses: tuple[float, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if training_loss is not None:
        found["training_loss"] = training_loss
    if validation_losses:
        found["validation_losses"] = list(validation_losses)
    return found


def _moved(phases: Phases, phase: Phase, status: PhaseStatus, now: datetime) -> Phases:
    was = phases[phase.value]
    is_now = {"status": status.value, "creationTime": was.get("creationTime", now.timestamp())}
    return {**phases, phase.value: {**is_now, "lastModifiedTime": now.timestamp()}}


def _sweep(phases: Phases, to: PhaseStatus, now: datetime) -> Phases:
    """Move every phase that is under way; what has ended or not begun keeps its true state."""
    under_way = (PhaseStatus.IN_PROGRESS, PhaseStatus.STOPPING)
    for phase in Phase:
        if phases[phase.value]["status"] in under_way:
            phases = _moved(phases, phase, to, now)
    return phases


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
