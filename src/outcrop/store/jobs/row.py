"""A customization job as a row: everything about it, its lease included. Knows nothing of who moves it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.states import JobStatus, Phase, PhaseStatus
from outcrop.store.database import METADATA, Moment
from outcrop.store.records import Records

UNFINISHED = (JobStatus.IN_PROGRESS.value, JobStatus.STOPPING.value)

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
    sa.Column("estimate", sa.JSON(none_as_null=True)),
    sa.Column("history", sa.JSON, nullable=False),
    sa.UniqueConstraint("account", "region", "name", name="jobs_by_name"),
    sa.Index("jobs_in_order", "account", "region", "created_at", "id"),
    sa.Index("jobs_by_status", "status", "created_at", "id"),
)
Phases = dict[str, dict[str, Any]]
NO_PHASES: Phases = {phase.value: {"status": PhaseStatus.NOT_STARTED.value} for phase in Phase}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One customization job.

    `hyperparameters` are the stated ones (strings). `training_data`, `validation_data`, `output_data` and `vpc` are
    the request's members as they came. `phases` maps a Phase's member name to status, creationTime and
    lastModifiedTime (seconds since 1970). `data_key` is the job's wrapped data key, once the worker has made it;
    the model inherits it. `estimate` is what was expected of the run before it began and, once it has ended, how that
    was graded; `history` is what happened to it on the way (an attempt that went on from a checkpoint, one that could
    not), oldest first. The model's folder is named by the job's `id`; its public id is `model_id`.
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
    estimate: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def model_arn(self) -> str:
        """The ARN that the model has, or will have once the job has completed."""
        return arns.custom_model(self.region, self.account, self.base_model_id, self.model_id)

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked for this job to stop."""
        return self.status is JobStatus.STOPPING


_RECORDS = Records(Job, JOBS, {"status": JobStatus})


def from_row(row: Any) -> Job:
    """A job of a row that has every column."""
    return _RECORDS.of(row)


def columns_of(job: Job) -> dict[str, Any]:
    """The row of a job."""
    return _RECORDS.columns(job)
