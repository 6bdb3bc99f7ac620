"""Provisioned throughput: what is bought, and which model it serves. Knows nothing of engines, nor of units' meaning.

The worker moves it: `pending` -> `mark_in_service`, `mark_failed` or `mark_not_moved`. All are guarded: they change
nothing when the row was changed or deleted since it was read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.states import ThroughputStatus
from outcrop.store.database import METADATA, Database, Moment
from outcrop.store.listing import Listing, contains
from outcrop.store.prepared import NameOrArn
from outcrop.store.records import Records

THROUGHPUT = sa.Table(
    "provisioned_throughput",
    METADATA,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("region", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("model_units", sa.Integer, nullable=False),
    sa.Column("foundation_model_id", sa.String, nullable=False),
    sa.Column("model_arn", sa.String, nullable=False),
    sa.Column("model_id", sa.String(12)),
    sa.Column("desired_model_arn", sa.String, nullable=False),
    sa.Column("desired_model_id", sa.String(12)),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("failure_message", sa.String),
    sa.Column("commitment", sa.String),
    sa.Column("commitment_expires_at", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("modified_at", Moment, nullable=False),
    sa.UniqueConstraint("account", "region", "name", name="provisioned_throughput_by_name"),
    sa.Index("provisioned_throughput_in_order", "account", "region", "created_at", "id"),
)

_NAME_OR_ARN = NameOrArn(THROUGHPUT)
LISTING = Listing(
    THROUGHPUT,
    list(THROUGHPUT.c),
    {
        "account": lambda value: THROUGHPUT.c.account == value,
        "region": lambda value: THROUGHPUT.c.region == value,
        "created_after": lambda value: THROUGHPUT.c.created_at > value,
        "created_before": lambda value: THROUGHPUT.c.created_at < value,
        "status": lambda value: THROUGHPUT.c.status == value,
        "model_arn": lambda value: THROUGHPUT.c.model_arn == value,
        "name_contains": contains(THROUGHPUT.c.name),
    },
)
_UNDER_WAY = (ThroughputStatus.CREATING.value, ThroughputStatus.UPDATING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """One provisioned model. `model_id` is the custom model that it serves, None where it serves a foundation model.

    `desired_model_arn` and `desired_model_id` differ from what is served while the status is Updating.
    """

    id: str
    arn: str
    account: str
    region: str
    name: str
    model_units: int
    foundation_model_id: str
    model_arn: str
    model_id: str | None
    desired_model_arn: str
    desired_model_id: str | None
    status: ThroughputStatus = ThroughputStatus.CREATING
    failure_message: str | None = None
    commitment: str | None = None
    commitment_expires_at: datetime | None = None
    created_at: datetime
    modified_at: datetime


_RECORDS = Records(Throughput, THROUGHPUT, {"status": ThroughputStatus})


def pending(database: Database) -> list[Throughput]:
    """What waits for its (desired) model to be served, the oldest first."""
    waiting = sa.select(THROUGHPUT).where(THROUGHPUT.c.status.in_(_UNDER_WAY)).order_by(THROUGHPUT.c.modified_at)
    with database.read() as connection:
        return [from_row(row) for row in connection.execute(waiting)]


def standing(database: Database) -> list[Throughput]:
    """All that has not failed: the models that engines should hold."""
    with database.read() as connection:
        found = sa.select(THROUGHPUT).where(THROUGHPUT.c.status != ThroughputStatus.FAILED.value)
        return [from_row(row) for row in connection.execute(found)]


def mark_in_service(database: Database, seen: Throughput, now: datetime) -> bool:
    """The desired model answers. False: the row has changed since it was read, and nothing was done."""
    served = {"model_arn": seen.desired_model_arn, "model_id": seen.desired_model_id, "failure_message": None}
    return _move(database, seen, {"status": ThroughputStatus.IN_SERVICE.value, "modified_at": now, **served})


def mark_failed(database: Database, seen: Throughput, message: str, now: datetime) -> bool:
    """The desired model cannot be served. False: the row has changed since it was read, and nothing was done."""
    failed = {"status": ThroughputStatus.FAILED.value, "failure_message": message[:2048], "modified_at": now}
    return _move(database, seen, failed)


def mark_not_moved(database: Database, seen: Throughput, message: str, now: datetime) -> bool:
    """The desired model cannot be served, and the present one goes on. False: the row has changed since it was read."""
    stays = {"desired_model_arn": seen.model_arn, "desired_model_id": seen.model_id}
    values = {"status": ThroughputStatus.IN_SERVICE.value, "failure_message": message[:2048], "modified_at": now}
    return _move(database, seen, {**values, **stays})


def _move(database: Database, seen: Throughput, values: dict[str, Any]) -> bool:
    c = THROUGHPUT.c
    as_seen = (c.id == seen.id, c.status == seen.status.value, c.desired_model_arn == seen.desired_model_arn)
    with database.write() as connection:
        return connection.execute(sa.update(THROUGHPUT).where(*as_seen).values(values)).rowcount == 1


def add(connection: sa.Connection, made: Throughput) -> None:
    """Remember it, Creating."""
    connection.execute(sa.insert(THROUGHPUT).values(_RECORDS.columns(made)))


def find(connection: sa.Connection, region: str, account: str, identifier: str) -> Throughput | None:
    """The provisioned model of this name or ARN, in this Region and account."""
    row = _NAME_OR_ARN.first(connection, region, account, identifier)
    return None if row is None else from_row(row)


def of_account(connection: sa.Connection, account: str) -> list[Throughput]:
    """All of it in this account, whatever the Region, the oldest first."""
    mine = sa.select(THROUGHPUT).where(THROUGHPUT.c.account == account).order_by(THROUGHPUT.c.created_at)
    return [from_row(row) for row in connection.execute(mine)]


def units_sold(connection: sa.Connection) -> int:
    """Units of all that has not failed, in every Region and account: one machine keeps them all."""
    sold = sa.select(sa.func.coalesce(sa.func.sum(THROUGHPUT.c.model_units), 0))
    return int(connection.execute(sold.where(THROUGHPUT.c.status != ThroughputStatus.FAILED.value)).scalar_one())


def names_using(connection: sa.Connection, model_id: str) -> list[str]:
    """The names of what serves this custom model, or is about to."""
    uses = sa.or_(THROUGHPUT.c.model_id == model_id, THROUGHPUT.c.desired_model_id == model_id)
    return list(connection.execute(sa.select(THROUGHPUT.c.name).where(uses).order_by(THROUGHPUT.c.name)).scalars())


def change(connection: sa.Connection, throughput_id: str, values: dict[str, Any]) -> None:
    """Write these columns."""
    connection.execute(sa.update(THROUGHPUT).where(THROUGHPUT.c.id == throughput_id).values(values))


def remove(connection: sa.Connection, throughput_id: str) -> None:
    """It is gone."""
    connection.execute(sa.delete(THROUGHPUT).where(THROUGHPUT.c.id == throughput_id))


def from_row(row: Any) -> Throughput:
    """Throughput of a row that has every column in the table's order."""
    return _RECORDS.of(row)
