"""Rows of jobs that workers hold under leases: claimed, kept, released. Knows nothing of what the jobs do.

A lease has a fencing number. Every later write names that number, so that a worker that lost its lease (it hung,
another took over) can change nothing any more: it gets `LeaseLost`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from outcrop.domain.errors import OutcropError
from outcrop.store.database import Database


class LeaseLost(OutcropError):
    """The job is no longer this worker's: stop working on it and touch nothing."""


class Leased(Protocol):
    """What a job's record says of its lease; its table has these columns, and `owner`, `lease_until`, `created_at`."""

    @property
    def id(self) -> str:
        """The job's own id."""

    @property
    def fence(self) -> int:
        """The fencing number of whoever holds it, or held it last."""

    @property
    def attempts(self) -> int:
        """How often it was claimed."""

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked for it to stop."""


Job = TypeVar("Job", bound=Leased)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Generic[Job]):
    """A job as it was when it was claimed, and the fencing number that its writes must carry."""

    job: Job
    owner: str
    fence: int


class Leases(Generic[Job]):
    """The leases of one table's jobs. `unfinished` are the statuses in which a job needs a worker."""

    def __init__(self, table: sa.Table, unfinished: Sequence[str], record_of: Callable[[Any], Job]) -> None:
        self._table, self._record_of = table, record_of
        self._unfinished = table.c.status.in_(unfinished)

    def claim(self, database: Database, owner: str, now: datetime, lease_s: float, slots: int) -> Claimed[Job] | None:
        """The oldest unfinished job that nobody holds, or None (also when `slots` jobs are held already)."""
        with database.read() as connection:  # an idle worker looks often: it must not take the write lock each time
            if self._oldest_free(connection, now, slots) is None:
                return None
        with database.write() as connection:
            job = self._oldest_free(connection, now, slots)
            return None if job is None else self._take(connection, job, owner, now + timedelta(seconds=lease_s))

    def beat(self, database: Database, claimed: Claimed[Job], now: datetime, lease_s: float) -> bool:
        """Keep the lease for another `lease_s`. True: a stop was requested. Raises LeaseLost."""
        with database.write() as connection:
            return self.held(connection, claimed, lease_until=now + timedelta(seconds=lease_s)).stop_requested

    def release(self, database: Database, claimed: Claimed[Job]) -> None:
        """Hand a job back unfinished (the worker is shutting down): anybody may claim it. Raises LeaseLost."""
        with database.write() as connection:
            self.held(connection, claimed, owner=None, lease_until=None, fence=claimed.fence + 1)

    def release_owner(self, database: Database, owner: str) -> int:
        """This owner is known to be dead: its jobs are free at once, and its fencing numbers no longer count."""
        mine = sa.and_(self._table.c.owner == owner, self._unfinished)
        freed = sa.update(self._table).where(mine)
        with database.write() as connection:
            values = {"owner": None, "lease_until": None, "fence": self._table.c.fence + 1}
            return connection.execute(freed.values(values)).rowcount

    def held(self, connection: sa.Connection, claimed: Claimed[Job], **values: Any) -> Job:
        """The fence: the job as it is once `values` are written. Raises LeaseLost where it is not this worker's now."""
        c = self._table.c
        mine = (c.id == claimed.job.id, c.fence == claimed.fence, self._unfinished)
        if values:
            statement: Any = sa.update(self._table).where(*mine).values(values).returning(*c)
        else:
            statement = sa.select(self._table).where(*mine)
        row = connection.execute(statement).first()
        if row is None:
            raise LeaseLost(f"Job {claimed.job.id} is no longer held by {claimed.owner} (fence {claimed.fence}).")
        return self._record_of(row)

    def _oldest_free(self, connection: sa.Connection, now: datetime, slots: int) -> Job | None:
        c = self._table.c
        held = sa.select(sa.func.count()).where(self._unfinished, c.lease_until > now)
        if connection.execute(held).scalar_one() >= slots:
            return None
        free = sa.or_(c.lease_until.is_(None), c.lease_until <= now)
        oldest = sa.select(self._table).where(self._unfinished, free).order_by(c.created_at, c.id).limit(1)
        row = connection.execute(oldest).first()
        return None if row is None else self._record_of(row)

    def _take(self, connection: sa.Connection, job: Job, owner: str, until: datetime) -> Claimed[Job]:
        """What an attempt before this one left in the row stays: this one may go on from there."""
        fence, c = job.fence + 1, self._table.c
        values = {"owner": owner, "fence": fence, "attempts": job.attempts + 1, "lease_until": until}
        taken = sa.update(self._table).where(c.id == job.id).values(values).returning(*c)
        return Claimed(job=self._record_of(connection.execute(taken).one()), owner=owner, fence=fence)
