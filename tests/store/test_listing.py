"""Pages by keyset: whole, in order, and unmoved by what is inserted meanwhile."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.store.database import Database, Moment
from outcrop.store.listing import Listing, Page, contains

OWN = sa.MetaData()
STONES = sa.Table(
    "stones",
    OWN,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String),
    sa.Column("facets", sa.JSON),
    sa.Column("created_at", Moment),
)
LISTING = Listing(
    STONES,
    [STONES.c.name, STONES.c.facets, STONES.c.created_at, STONES.c.id],
    {"after": lambda value: STONES.c.created_at > value, "name": contains(STONES.c.name)},
)


@pytest.fixture
def stones(database: Database) -> Database:
    OWN.create_all(database.engine)
    return database


def put(database: Database, *rows: dict[str, Any]) -> None:
    with database.write() as connection:
        connection.execute(sa.insert(STONES), list(rows))


def stone(name: str, at: datetime, **facets: int) -> dict[str, Any]:
    return {"id": name, "name": name, "facets": facets, "created_at": at}


def names(database: Database, page: Page) -> list[str]:
    with database.read() as connection:
        return [row[0] for row in LISTING.rows(connection, page)]


def test_a_row_comes_back_in_its_own_types(stones: Database, noon: datetime) -> None:
    put(stones, stone("slate", noon, sides=6))
    with stones.read() as connection:
        assert LISTING.rows(connection, Page(limit=5)) == [("slate", {"sides": 6}, noon, "slate")]


def test_filters_and_order_do_what_they_say(stones: Database, noon: datetime) -> None:
    put(stones, *(stone(name, noon + timedelta(hours=n)) for n, name in enumerate(("slate", "Shale", "marl", "chalk"))))
    assert names(stones, Page(limit=9)) == ["chalk", "marl", "Shale", "slate"]
    assert names(stones, Page(limit=9, descending=False)) == ["slate", "Shale", "marl", "chalk"]
    assert names(stones, Page(limit=1)) == ["chalk"]
    assert names(stones, Page(limit=9, filters={"after": noon + timedelta(hours=1)})) == ["chalk", "marl"]
    assert names(stones, Page(limit=9, filters={"name": "la"})) == ["slate"]
    assert names(stones, Page(limit=9, filters={"name": "S"})) == ["Shale"]
    assert names(stones, Page(limit=9, filters={"name": "%"})) == []
    assert names(stones, Page(limit=9, filters={"after": noon, "name": "al"})) == ["chalk", "Shale"]


def test_rows_of_one_moment_are_told_apart_by_their_ids(stones: Database, noon: datetime) -> None:
    put(stones, *(stone(name, noon) for name in "dbac"))
    assert walk(stones, descending=False) == list("abcd")
    assert walk(stones, descending=True) == list("dcba")


def walk(database: Database, *, descending: bool, arrivals: list[dict[str, Any]] | None = None) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        with database.read() as connection:
            rows = LISTING.rows(connection, Page(limit=2, descending=descending, after=after))
        if not rows:
            return found
        found += [row[0] for row in rows]
        after = LISTING.position(rows[-1])
        if arrivals:
            put(database, arrivals.pop())


def test_pages_stay_right_while_rows_are_inserted(stones: Database, noon: datetime) -> None:
    put(stones, *(stone(f"old-{n}", noon + timedelta(seconds=n)) for n in range(6)))
    arrivals = [stone(f"new-{n}", noon + timedelta(hours=n)) for n in range(9)]
    assert walk(stones, descending=True, arrivals=arrivals) == [f"old-{n}" for n in (5, 4, 3, 2, 1, 0)]


def test_every_row_is_seen_exactly_once(stones: Database, noon: datetime) -> None:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 3), max_size=12), st.booleans())
    def seen(seconds: list[int], descending: bool) -> None:
        with stones.write() as connection:
            connection.execute(STONES.delete())
        rows = [stone(f"{n:03}", noon + timedelta(seconds=s)) for n, s in enumerate(seconds)]
        if rows:
            put(stones, *rows)
        ordered = sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=descending)
        assert walk(stones, descending=descending) == [row["id"] for row in ordered]

    seen()
