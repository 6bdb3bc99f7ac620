"""On-demand deployments of custom models. Knows nothing of engines.

The worker moves them: `pending` -> `mark_active` or `mark_failed`. Both are guarded: they change nothing when the row
was changed or deleted since it was read. A deployment whose update is under way or has failed serves its old model.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import DeploymentStatus
from outcrop.store.database import METADATA, Database, Moment
from outcrop.store.listing import Listing, contains
from outcrop.store.prepared import NameOrArn
from outcrop.store.records import Records

DEPLOYMENTS = sa.Table(
    "deployments",
    METADATA,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("region", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("description", sa.String),
    sa.Column("model_arn", sa.String, nullable=False),
    sa.Column("model_id", sa.String(12), nullable=False),
    sa.Column("update_model_arn", sa.String),
    sa.Column("update_model_id", sa.String(12)),
    sa.Column("update_status", sa.String),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("failure_message", sa.String),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment),
    sa.UniqueConstraint("account", "region", "name", name="deployments_by_name"),
    sa.Index("deployments_in_order", "account", "region", "created_at", "id"),
)

_NAME_OR_ARN = NameOrArn(DEPLOYMENTS)
LISTING = Listing(
    DEPLOYMENTS,
    list(DEPLOYMENTS.c),
    {
        "account": lambda value: DEPLOYMENTS.c.account == value,
        "region": lambda value: DEPLOYMENTS.c.region == value,
        "created_after": lambda value: DEPLOYMENTS.c.created_at > value,
        "created_before": lambda value: DEPLOYMENTS.c.created_at < value,
        "status": lambda value: DEPLOYMENTS.c.status == value,
        "model_arn": lambda value: DEPLOYMENTS.c.model_arn == value,
        "name_contains": contains(DEPLOYMENTS.c.name),
    },
)


class UpdateStatus(StrEnum):
    """How far the last update of a deployment is, as the API spells it."""

    UPDATING = "Updating"
    COMPLETED = "UpdateCompleted"
    FAILED = "UpdateFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One deployment. `model_id` is the custom model that it serves; `update_model_id` the one that it shall serve."""

    id: str
    arn: str
    account: str
    region: str
    name: str
    description: str | None = None
    model_arn: str
    model_id: str
    update_model_arn: str | None = None
    update_model_id: str | None = None
    update_status: UpdateStatus | None = None
    status: DeploymentStatus = DeploymentStatus.CREATING
    failure_message: str | None = None
    created_at: datetime
    updated_at: datetime | None = None

    @property
    def wanted_model_id(self) -> str:
        """The custom model that should answer next."""
        if self.update_status is UpdateStatus.UPDATING and self.update_model_id is not None:
            return self.update_model_id
        return self.model_id


_RECORDS = Records(Deployment, DEPLOYMENTS, {"status": DeploymentStatus, "update_status": UpdateStatus})


def pending(database: Database) -> list[Deployment]:
    """What waits for its model (`wanted_model_id`) to be served, the oldest first."""
    c = DEPLOYMENTS.c
    waiting = sa.or_(c.status == DeploymentStatus.CREATING.value, c.update_status == UpdateStatus.UPDATING.value)
    with database.read() as connection:
        return [
            from_row(row) for row in connection.execute(sa.select(DEPLOYMENTS).where(waiting).order_by(c.created_at))
        ]


def standing(database: Database) -> list[Deployment]:
    """All that has not failed: the models that engines should hold."""
    with database.read() as connection:
        found = sa.select(DEPLOYMENTS).where(DEPLOYMENTS.c.status != DeploymentStatus.FAILED.value)
        return [from_row(row) for row in connection.execute(found)]


def mark_active(database: Database, seen: Deployment, now: datetime) -> bool:
    """The wanted model answers. False: the row has changed since it was read, and nothing was done."""
    values: dict[str, Any] = {"status": DeploymentStatus.ACTIVE.value, "failure_message": None, "updated_at": now}
    if seen.update_status is UpdateStatus.UPDATING:
        values |= {"model_arn": seen.update_model_arn, "model_id": seen.update_model_id}
        values |= {"update_status": UpdateStatus.COMPLETED.value}
    return _move(database, seen, values)


def mark_failed(database: Database, seen: Deployment, message: str, now: datetime) -> bool:
    """The wanted model cannot be served; a failed update leaves the deployment Active with its old model."""
    values: dict[str, Any] = {"failure_message": message[:2048], "updated_at": now}
    if seen.update_status is UpdateStatus.UPDATING:
        values["update_status"] = UpdateStatus.FAILED.value
    else:
        values["status"] = DeploymentStatus.FAILED.value
    return _move(database, seen, values)


def _move(database: Database, seen: Deployment, values: dict[str, Any]) -> bool:
    c = DEPLOYMENTS.c
    as_seen = [c.id == seen.id, c.status == seen.status.value, c.model_id == seen.model_id]
    as_seen += [c.update_status.is_not_distinct_from(seen.update_status and seen.update_status.value)]
    as_seen += [c.update_model_id.is_not_distinct_from(seen.update_model_id)]
    with database.write() as connection:
        return connection.execute(sa.update(DEPLOYMENTS).where(*as_seen).values(values)).rowcount == 1


def add(connection: sa.Connection, made: Deployment) -> None:
    """Remember it, Creating."""
    connection.execute(sa.insert(DEPLOYMENTS).values(_RECORDS.columns(made)))


def find(connection: sa.Connection, region: str, account: str, identifier: str) -> Deployment | None:
    """The deployment of this name or ARN, in this Region and account."""
    row = _NAME_OR_ARN.first(connection, region, account, identifier)
    return None if row is None else from_row(row)


def count(connection: sa.Connection, region: str, account: str) -> int:
    """How many there are in this Region and account."""
    mine = (DEPLOYMENTS.c.account == account, DEPLOYMENTS.c.region == region)
    return int(connection.execute(sa.select(sa.func.count()).select_from(DEPLOYMENTS).where(*mine)).scalar_one())


def names_using(connection: sa.Connection, model_id: str) -> list[str]:
    """The names of what serves this custom model, or is about to."""
    c = DEPLOYMENTS.c
    awaited = sa.and_(c.update_model_id == model_id, c.update_status == UpdateStatus.UPDATING.value)
    uses = sa.or_(c.model_id == model_id, awaited)
    return list(connection.execute(sa.select(c.name).where(uses).order_by(c.name)).scalars())


def change(connection: sa.Connection, deployment_id: str, values: dict[str, Any]) -> None:
    """Write these columns."""
    connection.execute(sa.update(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment_id).values(values))


def remove(connection: sa.Connection, deployment_id: str) -> None:
    """It is gone."""
    connection.execute(sa.delete(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment_id))


def from_row(row: Any) -> Deployment:
    """A deployment of a row that has every column in the table's order."""
    return _RECORDS.of(row)
