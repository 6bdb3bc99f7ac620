"""Moments, transactions and locks of the database."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from outcrop.store.database import Database, Moment, from_microseconds, read_json, to_microseconds

OWN = sa.MetaData()
EVENTS = sa.Table("events", OWN, sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", Moment))
NAMES = sa.Table("names", OWN, sa.Column("name", sa.String, primary_key=True))


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))
def test_a_moment_is_kept_to_the_microsecond(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment


def test_a_moment_comes_back_aware_and_in_utc(database: Database) -> None:
    OWN.create_all(database.engine)
    moment = datetime.fromisoformat("2026-03-01T12:00:00.123456+02:00")
    with database.write() as connection:
        connection.execute(sa.insert(EVENTS), [{"id": 1, "at": moment}, {"id": 2, "at": None}])
    with database.read() as connection:
        found = connection.execute(sa.select(EVENTS.c.at).order_by(EVENTS.c.id)).scalars().all()
    assert found == [moment, None]
    assert found[0] is not None and found[0].utcoffset() == timedelta(0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(JSON)
def test_a_json_column_is_read_as_pythons_json_reads_it(value: Any) -> None:
    assert read_json(json.dumps(value)) == json.loads(json.dumps(value)) == value


def test_a_loss_that_is_not_a_number_comes_back() -> None:
    losses = read_json(json.dumps([math.nan, math.inf, 1.5]))
    assert math.isnan(losses[0])
    assert losses[1:] == [math.inf, 1.5]


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(json.JSONDecodeError):
        read_json("[1,")


def test_what_fails_midway_leaves_nothing(database: Database) -> None:
    OWN.create_all(database.engine)
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute(sa.insert(EVENTS).values(id=1))
        raise RuntimeError
    with database.read() as connection:
        assert connection.execute(sa.select(EVENTS)).all() == []


def test_what_the_database_says_of_an_error_names_no_value(database: Database) -> None:
    OWN.create_all(database.engine)
    twice = sa.insert(NAMES).values(name="a very private name")
    with pytest.raises(sa.exc.IntegrityError) as caught, database.write() as connection:
        connection.execute(twice)
        connection.execute(twice)
    assert "private" not in str(caught.value)


def test_a_reader_sees_one_state_while_a_writer_writes(database: Database) -> None:
    OWN.create_all(database.engine)
    with database.read() as reader:
        assert reader.execute(sa.select(EVENTS)).all() == []
        with database.write() as writer:
            writer.execute(sa.insert(EVENTS).values(id=1))
        assert reader.execute(sa.select(EVENTS)).all() == []
    with database.read() as reader:
        assert len(reader.execute(sa.select(EVENTS)).all()) == 1
