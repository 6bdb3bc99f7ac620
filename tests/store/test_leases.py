"""Leases hold for any table of jobs: one holder at a time, and whoever lost a job changes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from outcrop.store.database import Database, Moment
from outcrop.store.leases import Claimed, LeaseLost, Leases
from outcrop.store.records import Records

METADATA = sa.MetaData()
CHORES = sa.Table(
    "chores",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("owner", sa.String),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("lease_until", Moment),
)
LEASE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """A job with nothing but a lease."""

    id: str
    status: str = "waiting"
    created_at: datetime
    owner: str | None = None
    fence: int = 0
    attempts: int = 0
    lease_until: datetime | None = None

    @property
    def stop_requested(self) -> bool:
        return self.status == "stopping"


RECORDS = Records(Chore, CHORES, {})
LEASES = Leases(CHORES, ("waiting", "stopping"), RECORDS.of)


@pytest.fixture
def chores(tmp_path: Path, noon: datetime) -> Iterator[Database]:
    """Three, the oldest first; the last one is done."""
    opened = Database(f"sqlite:///{tmp_path / 'chores.db'}")
    METADATA.create_all(opened.engine)
    with opened.write() as connection:
        for age, (name, status) in enumerate((("sweep", "waiting"), ("mop", "waiting"), ("dust", "done"))):
            chore = Chore(id=name, status=status, created_at=noon - timedelta(hours=9 - age))
            connection.execute(sa.insert(CHORES).values(RECORDS.columns(chore)))
    yield opened
    opened.close()


def claimed(database: Database, owner: str, now: datetime, slots: int = 9) -> Claimed[Chore] | None:
    return LEASES.claim(database, owner, now, LEASE_S, slots)


def chore(database: Database, name: str) -> Chore:
    with database.read() as connection:
        return RECORDS.of(connection.execute(sa.select(CHORES).where(CHORES.c.id == name)).one())


def test_the_oldest_unfinished_one_is_claimed_and_none_twice(chores: Database, noon: datetime) -> None:
    one, two, none = (claimed(chores, owner, noon) for owner in ("one", "two", "three"))
    assert one is not None and two is not None and none is None
    assert (one.job.id, two.job.id) == ("sweep", "mop")
    assert one.job == chore(chores, "sweep"), "a claim is the row as it is now"
    assert (one.job.owner, one.fence, one.job.attempts) == ("one", 1, 1)
    assert one.job.lease_until == noon + timedelta(seconds=LEASE_S)


def test_no_more_are_held_at_once_than_there_are_slots(chores: Database, noon: datetime) -> None:
    assert claimed(chores, "one", noon, slots=1) is not None
    assert claimed(chores, "one", noon, slots=1) is None
    assert claimed(chores, "one", noon + timedelta(seconds=LEASE_S), slots=1) is not None, (
        "a lease that ran out is free"
    )


def test_a_beat_keeps_a_lease_and_hears_of_a_stop(chores: Database, noon: datetime) -> None:
    held = claimed(chores, "one", noon)
    assert held is not None
    later = noon + timedelta(seconds=LEASE_S - 1)
    assert LEASES.beat(chores, held, later, LEASE_S) is False
    assert chore(chores, "sweep").lease_until == later + timedelta(seconds=LEASE_S)
    with chores.write() as connection:
        LEASES.held(connection, held, status="stopping")
    assert LEASES.beat(chores, held, later, LEASE_S) is True


def test_whoever_lost_a_job_to_another_changes_nothing_of_it(chores: Database, noon: datetime) -> None:
    lost = claimed(chores, "one", noon)
    taken = claimed(chores, "two", noon + timedelta(seconds=LEASE_S))
    assert lost is not None and taken is not None and taken.job.id == lost.job.id
    before = chore(chores, "sweep")
    with pytest.raises(LeaseLost, match=r"Job sweep is no longer held by one \(fence 1\)"):
        LEASES.beat(chores, lost, noon, LEASE_S)
    with pytest.raises(LeaseLost):
        LEASES.release(chores, lost)
    with pytest.raises(LeaseLost), chores.write() as connection:
        LEASES.held(connection, lost, status="done")
    assert chore(chores, "sweep") == before


def test_what_has_ended_is_nobodys(chores: Database, noon: datetime) -> None:
    held = claimed(chores, "one", noon)
    assert held is not None
    with chores.write() as connection:
        LEASES.held(connection, held, status="done")
    with pytest.raises(LeaseLost):
        LEASES.beat(chores, held, noon, LEASE_S)


@pytest.mark.parametrize("by_its_holder", [True, False], ids=["by its holder", "as its holder is dead"])
def test_what_is_released_is_free_at_once_and_no_more_its_former_holders(
    chores: Database, noon: datetime, by_its_holder: bool
) -> None:
    held, other = claimed(chores, "one", noon), claimed(chores, "two", noon)
    assert held is not None and other is not None
    if by_its_holder:
        LEASES.release(chores, held)
    else:
        assert LEASES.release_owner(chores, "one") == 1
    with pytest.raises(LeaseLost):
        LEASES.beat(chores, held, noon, LEASE_S)
    again = claimed(chores, "three", noon)
    assert again is not None and (again.job.id, again.fence, again.job.attempts) == ("sweep", 3, 2)
    assert LEASES.beat(chores, other, noon, LEASE_S) is False, "others' jobs stay theirs"
