"""Custom models: the rows. The sealed files lie in a folder named after the job that made them.

A deleted model's row stays, marked, until the worker has wiped its folder. Knows nothing of files and keys' contents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import ModelStatus
from outcrop.store.database import METADATA, Database, Moment

MODELS = sa.Table(
    "custom_models",
    METADATA,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("region", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("job_id", sa.String(12), nullable=False, unique=True),
    sa.Column("base_model_id", sa.String, nullable=False),
    sa.Column("parent_id", sa.String(12)),
    sa.Column("customization_type", sa.String, nullable=False),
    sa.Column("checkpoint", sa.String, nullable=False),
    sa.Column("kms_key_arn", sa.String),
    sa.Column("data_key", sa.LargeBinary),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("deleted_at", Moment),
    sa.Index("custom_models_in_order", "account", "region", "created_at", "id"),
    sa.Index(
        "custom_models_by_name",
        "account",
        "region",
        "name",
        unique=True,
        sqlite_where=sa.text("deleted_at is null"),
        postgresql_where=sa.text("deleted_at is null"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomModel:
    """One custom model. `base_model_id` is always a foundation model's; `parent_id` names the model it continued.

    `data_key` is wrapped by `kms_key_arn` (None: the service's own key). `checkpoint` is the folder it was trained on.
    """

    id: str
    arn: str
    account: str
    region: str
    name: str
    status: ModelStatus
    job_id: str
    base_model_id: str
    parent_id: str | None
    customization_type: str
    checkpoint: str
    kms_key_arn: str | None
    data_key: bytes | None
    created_at: datetime
    deleted_at: datetime | None = None


def add(connection: sa.Connection, model: CustomModel) -> None:
    """Remember a model."""
    values = {field.name: getattr(model, field.name) for field in fields(model)}
    connection.execute(sa.insert(MODELS).values({**values, "status": model.status.value}))


def find(connection: sa.Connection, region: str, account: str, identifier: str) -> CustomModel | None:
    """The living model of this name or ARN, in this Region and account."""
    named = MODELS.c.arn if identifier.startswith("arn:") else MODELS.c.name
    row = connection.execute(sa.select(MODELS).where(named == identifier, *_living(region, account))).first()
    return None if row is None else from_row(row)


def by_id(connection: sa.Connection, model_id: str) -> CustomModel | None:
    """The model of this id, deleted or not."""
    row = connection.execute(sa.select(MODELS).where(MODELS.c.id == model_id)).first()
    return None if row is None else from_row(row)


def mark_deleted(connection: sa.Connection, model_id: str, now: datetime) -> None:
    """The model is gone for every caller; its folder waits for the worker."""
    connection.execute(sa.update(MODELS).where(MODELS.c.id == model_id).values(deleted_at=now))


def forgotten(database: Database) -> list[CustomModel]:
    """Deleted models whose folders (named by `job_id`) have still to be wiped. Then call `wiped`."""
    with database.read() as connection:
        rows = connection.execute(sa.select(MODELS).where(MODELS.c.deleted_at.is_not(None))).all()
    return [from_row(row) for row in rows]


def wiped(database: Database, model_id: str) -> None:
    """The folder is gone: the row may go. A living model is never touched."""
    with database.write() as connection:
        connection.execute(sa.delete(MODELS).where(MODELS.c.id == model_id, MODELS.c.deleted_at.is_not(None)))


def _living(region: str, account: str) -> Sequence[sa.ColumnElement[bool]]:
    return (MODELS.c.account == account, MODELS.c.region == region, MODELS.c.deleted_at.is_(None))


def from_row(row: sa.Row[Any]) -> CustomModel:
    """A model of a row that has every column."""
    values = dict(row._mapping)
    return CustomModel(**{**values, "status": ModelStatus(values["status"])})
