"""Prepared statements answer what SQLAlchemy itself answers."""

from datetime import datetime

import sqlalchemy as sa

from outcrop.store.database import Database, Moment
from outcrop.store.prepared import NameOrArn, Prepared

OWN = sa.MetaData()
STONES = sa.Table(
    "named_stones",
    OWN,
    sa.Column("region", sa.String),
    sa.Column("account", sa.String),
    sa.Column("name", sa.String),
    sa.Column("arn", sa.String),
    sa.Column("facets", sa.JSON(none_as_null=True)),
    sa.Column("found_at", Moment),
)
BEFORE = Prepared(sa.select(STONES).where(STONES.c.found_at <= sa.bindparam("found_at")).order_by(STONES.c.name))
STANDING = NameOrArn(STONES, STONES.c.facets.is_not(None))


def fill(database: Database, noon: datetime) -> None:
    OWN.create_all(database.engine)
    slate = {"region": "r", "account": "a", "name": "slate", "arn": "arn:slate", "facets": [1], "found_at": noon}
    rows = [slate, {**slate, "name": "marl", "arn": "arn:marl", "facets": None, "found_at": None}]
    with database.write() as connection:
        connection.execute(sa.insert(STONES), rows)


def test_rows_and_values_are_those_of_sqlalchemy(database: Database, noon: datetime) -> None:
    fill(database, noon)
    statement = sa.select(STONES).where(STONES.c.found_at <= noon)
    with database.read() as connection:
        assert BEFORE.rows(connection, {"found_at": noon}) == [tuple(connection.execute(statement).one())]
        assert BEFORE.first(connection, {"found_at": noon}) == tuple(connection.execute(statement).one())


def test_it_sees_its_own_transactions_writes(database: Database, noon: datetime) -> None:
    fill(database, noon)
    with database.write() as connection:
        connection.execute(sa.delete(STONES))
        assert BEFORE.first(connection, {"found_at": noon}) is None


def test_a_row_is_found_by_name_or_arn_where_it_belongs_and_fits(database: Database, noon: datetime) -> None:
    fill(database, noon)
    slate = ("r", "a", "slate", "arn:slate", [1], noon)
    with database.read() as connection:
        assert STANDING.first(connection, "r", "a", "slate") == slate
        assert STANDING.first(connection, "r", "a", "arn:slate") == slate
        for region, account, identifier in (("s", "a", "slate"), ("r", "b", "slate"), ("r", "a", "marl")):
            assert STANDING.first(connection, region, account, identifier) is None
