"""Tags of Bedrock resources, by ARN. Knows nothing of the resources, nor of how many tags one may carry."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from outcrop.store.database import METADATA
from outcrop.store.prepared import Prepared

TAGS = sa.Table(
    "tags",
    METADATA,
    sa.Column("arn", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)
_OF_ARN = Prepared(sa.select(TAGS.c.key, TAGS.c.value).where(TAGS.c.arn == sa.bindparam("arn")).order_by(TAGS.c.key))


def of(connection: sa.Connection, arn: str) -> dict[str, str]:
    """The tags of a resource, sorted by key."""
    return dict(_OF_ARN.rows(connection, {"arn": arn}))


def put(connection: sa.Connection, arn: str, tags: Mapping[str, str]) -> None:
    """Add these tags; one that is there gets the new value."""
    if tags:
        remove(connection, arn, tags)
        connection.execute(sa.insert(TAGS), [{"arn": arn, "key": key, "value": tags[key]} for key in tags])


def remove(connection: sa.Connection, arn: str, keys: Iterable[str]) -> None:
    """Take these keys away; one that is not there is no error."""
    connection.execute(sa.delete(TAGS).where(TAGS.c.arn == arn, TAGS.c.key.in_(list(keys))))


def forget(connection: sa.Connection, arn: str) -> None:
    """Take every tag away: the resource is gone."""
    connection.execute(sa.delete(TAGS).where(TAGS.c.arn == arn))
