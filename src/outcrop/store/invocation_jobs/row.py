"""A batch inference job as a row: everything about it, its lease included. Knows nothing of who moves it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import InvocationJobStatus
from outcrop.store.database import METADATA, Moment
from outcrop.store.records import Records

FINISHED = (
    InvocationJobStatus.COMPLETED,
    InvocationJobStatus.PARTIALLY_COMPLETED,
    InvocationJobStatus.FAILED,
    InvocationJobStatus.STOPPED,
    InvocationJobStatus.EXPIRED,
)
UNFINISHED = tuple(status.value for status in InvocationJobStatus if status not in FINISHED)

INVOCATION_JOBS = sa.Table(
    "invocation_jobs",
    METADATA,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("region", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("client_request_token", sa.String),
    sa.Column("model_identifier", sa.String, nullable=False),
    sa.Column("custom_model_id", sa.String(12)),
    sa.Column("invocation_type", sa.String),
    sa.Column("role_arn", sa.String, nullable=False),
    sa.Column("kms_key_arn", sa.String),
    sa.Column("data_key", sa.LargeBinary),
    sa.Column("input_data", sa.JSON, nullable=False),
    sa.Column("output_data", sa.JSON, nullable=False),
    sa.Column("vpc", sa.JSON(none_as_null=True)),
    sa.Column("timeout_hours", sa.Integer),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("message", sa.String),
    sa.Column("inputs", sa.JSON(none_as_null=True)),
    sa.Column("position", sa.JSON(none_as_null=True)),
    sa.Column("total_records", sa.BigInteger),
    sa.Column("success_records", sa.BigInteger, nullable=False),
    sa.Column("error_records", sa.BigInteger, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("modified_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("owner", sa.String),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("lease_until", Moment),
    sa.UniqueConstraint("account", "region", "name", name="invocation_jobs_by_name"),
    sa.Index("invocation_jobs_in_order", "account", "region", "created_at", "id"),
    sa.Index("invocation_jobs_by_status", "status", "created_at", "id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationJob:
    """One batch inference job.

    `model_identifier`, `input_data`, `output_data`, `vpc`, `timeout_hours` and `invocation_type` are the request's
    members as they came. `kms_key_arn` is the key of the output objects. `data_key` is the wrapped key of the answers
    that are kept until the job ends. `inputs` is what validation found: a file's key, ETag and records, in order;
    `position` is how far the answers that are kept reach (a worker's own words). Counts belong to the position.
    """

    id: str
    arn: str
    account: str
    region: str
    name: str
    client_request_token: str | None = None
    model_identifier: str
    custom_model_id: str | None = None
    invocation_type: str | None = None
    role_arn: str
    kms_key_arn: str | None = None
    data_key: bytes | None = None
    input_data: dict[str, Any]
    output_data: dict[str, Any]
    vpc: dict[str, Any] | None = None
    timeout_hours: int | None = None
    expires_at: datetime
    status: InvocationJobStatus = InvocationJobStatus.SUBMITTED
    message: str | None = None
    inputs: list[dict[str, Any]] | None = None
    position: dict[str, int] | None = None
    total_records: int | None = None
    success_records: int = 0
    error_records: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    created_at: datetime
    modified_at: datetime
    ended_at: datetime | None = None
    attempts: int = 0
    owner: str | None = None
    fence: int = 0
    lease_until: datetime | None = None

    @property
    def processed_records(self) -> int:
        """How many records have an answer or an error."""
        return self.success_records + self.error_records

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked for this job to stop."""
        return self.status is InvocationJobStatus.STOPPING


_RECORDS = Records(InvocationJob, INVOCATION_JOBS, {"status": InvocationJobStatus})


def from_row(row: Any) -> InvocationJob:
    """A job of a row that has every column."""
    return _RECORDS.of(row)


def columns_of(job: InvocationJob) -> dict[str, Any]:
    """The row of a job."""
    return _RECORDS.columns(job)
