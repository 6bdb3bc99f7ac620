"""Buckets: a name, a Region, and what is set on them. Knows nothing of what is in them but whether there is any."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from outcrop.domain.errors import Fault
from outcrop.store.database import METADATA, Database, Moment

BUCKETS = sa.Table(
    "buckets",
    METADATA,
    sa.Column("name", sa.String(63), primary_key=True),
    sa.Column("region", sa.String, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("policy", sa.String),
    sa.Column("tags", sa.JSON, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One bucket. `policy` is the document as it was put."""

    name: str
    region: str
    created_at: datetime
    policy: str | None
    tags: dict[str, str]


class Buckets:
    """The buckets of the whole server: a bucket's name is unique over all Regions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, region: str, at: datetime, tags: Mapping[str, str] | None = None) -> bool:
        """Make a bucket. False where the name is taken, which changes nothing."""
        with self._database.write() as connection:
            if connection.execute(sa.select(BUCKETS.c.name).where(BUCKETS.c.name == name)).first():
                return False
            values = {"name": name, "region": region, "created_at": at, "tags": dict(tags or {})}
            connection.execute(sa.insert(BUCKETS).values(**values))
            return True

    def find(self, name: str) -> Bucket | None:
        """The bucket of that name."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(BUCKETS).where(BUCKETS.c.name == name)).mappings().first()
        return Bucket(**row) if row else None

    def exists(self, name: str) -> bool:
        """Whether there is such a bucket."""
        return self.find(name) is not None

    def region(self, name: str) -> str | None:
        """The Region that a bucket lies in."""
        bucket = self.find(name)
        return bucket.region if bucket else None

    def every(self) -> list[Bucket]:
        """All buckets, by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(BUCKETS).order_by(BUCKETS.c.name)).mappings().all()
        return [Bucket(**row) for row in rows]

    def set_policy(self, name: str, policy: str | None) -> None:
        """Put or take away the policy."""
        self._set(name, policy=policy)

    def set_tags(self, name: str, tags: Mapping[str, str]) -> None:
        """Replace all tags."""
        self._set(name, tags=dict(tags))

    def _set(self, name: str, **values: object) -> None:
        with self._database.write() as connection:
            connection.execute(sa.update(BUCKETS).where(BUCKETS.c.name == name).values(**values))


def require_bucket(connection: sa.Connection, name: str) -> None:
    """Raise NoSuchBucket where there is none of that name, as this transaction sees it."""
    if not connection.execute(sa.select(BUCKETS.c.name).where(BUCKETS.c.name == name)).first():
        raise no_such_bucket(name)


def no_such_bucket(name: str) -> Fault:
    """The answer to a bucket that does not exist."""
    return Fault("NoSuchBucket", "The specified bucket does not exist", BucketName=name)
