"""Custom models: the rows. The sealed files lie in a folder named after the job that made them.

A deleted model's row stays, marked, until the worker has wiped its folder. Knows nothing of files and keys' contents.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from outcrop import families
from outcrop.domain.states import ModelStatus
from outcrop.store import deployments, throughput
from outcrop.store.database import METADATA, Database, Moment
from outcrop.store.listing import Listing, contains
from outcrop.store.prepared import NameOrArn, Prepared
from outcrop.store.records import Records

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
    sa.Column("checkpoint_digest", sa.String),
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

SUMMARY = (
    MODELS.c.arn,
    MODELS.c.name,
    MODELS.c.created_at,
    MODELS.c.base_model_id,
    MODELS.c.customization_type,
    MODELS.c.status,
    MODELS.c.id,
)
_NAME_OR_ARN = NameOrArn(MODELS, MODELS.c.deleted_at.is_(None))
_BY_ID = Prepared(sa.select(MODELS).where(MODELS.c.id == sa.bindparam("id")))
LISTING = Listing(
    MODELS,
    SUMMARY,
    {
        "account": lambda value: sa.and_(MODELS.c.account == value, MODELS.c.deleted_at.is_(None)),
        "region": lambda value: MODELS.c.region == value,
        "created_after": lambda value: MODELS.c.created_at > value,
        "created_before": lambda value: MODELS.c.created_at < value,
        "status": lambda value: MODELS.c.status == value,
        "base_model_id": lambda value: MODELS.c.base_model_id == value,
        "foundation_model_id": lambda value: MODELS.c.base_model_id == value,
        "name_contains": contains(MODELS.c.name),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomModel:
    """One custom model. `base_model_id` is always a foundation model's; `parent_id` names the model it continued.

    `data_key` is wrapped by `kms_key_arn` (None: the service's own key). `checkpoint` is the folder it was trained on,
    `checkpoint_digest` what its weights were then (None: the model is older than digests).
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
    checkpoint_digest: str | None = None


_RECORDS = Records(CustomModel, MODELS, {"status": ModelStatus})
FindFoundation = Callable[[str], families.FoundationModel | None]
Kind = Literal["foundation", "provisioned", "deployment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servable:
    """What an invocation's model identifier stands for. `model` is None where a foundation model answers.

    `throughput_id` is set where it was bought. `status` is the API's word: Active, InService, Creating, Updating (its
    present model answers), Failed.
    """

    kind: Kind
    foundation_model_id: str
    model: CustomModel | None
    status: str
    throughput_id: str | None = None


def servable(
    connection: sa.Connection,
    region: str,
    account: str,
    identifier: str,
    find_foundation: FindFoundation = families.find_model,
) -> Servable | None:
    """What answers for a foundation id or ARN, a provisioned model's name or ARN, or a deployment's ARN; else None.

    `find_foundation` is the catalogue's `find_model` where a user's own model ids count too.
    """
    foundation = find_foundation(identifier)
    if foundation is not None:
        return Servable(kind="foundation", foundation_model_id=foundation.model_id, model=None, status="Active")
    if ":custom-model-deployment/" in identifier:
        return _deployed(connection, deployments.find(connection, region, account, identifier))
    return _provisioned(connection, throughput.find(connection, region, account, identifier))


def _deployed(connection: sa.Connection, found: deployments.Deployment | None) -> Servable | None:
    model = None if found is None else by_id(connection, found.model_id)
    if found is None or model is None:
        return None
    return Servable(kind="deployment", foundation_model_id=model.base_model_id, model=model, status=found.status.value)


def _provisioned(connection: sa.Connection, found: throughput.Throughput | None) -> Servable | None:
    if found is None:
        return None
    model = None if found.model_id is None else by_id(connection, found.model_id)
    base = found.foundation_model_id
    return Servable(
        kind="provisioned",
        foundation_model_id=base,
        model=model,
        status=found.status.value,
        throughput_id=found.id,
    )


def add(connection: sa.Connection, model: CustomModel) -> None:
    """Remember a model."""
    connection.execute(sa.insert(MODELS).values(_RECORDS.columns(model)))


def find(connection: sa.Connection, region: str, account: str, identifier: str) -> CustomModel | None:
    """The living model of this name or ARN, in this Region and account."""
    row = _NAME_OR_ARN.first(connection, region, account, identifier)
    return None if row is None else from_row(row)


def by_id(connection: sa.Connection, model_id: str) -> CustomModel | None:
    """The model of this id, deleted or not."""
    row = _BY_ID.first(connection, {"id": model_id})
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


def from_row(row: Any) -> CustomModel:
    """A model of a row that has every column."""
    return _RECORDS.of(row)
