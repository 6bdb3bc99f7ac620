"""The database: one SQLAlchemy engine, short transactions. Knows nothing of what the tables mean.

SQLite in WAL mode by default; every statement is SQLAlchemy Core, so that PostgreSQL can take its place.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

METADATA = sa.MetaData()
BUSY_TIMEOUT_MS = 15_000
READERS_KEPT = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Database:
    """Opens connections and transactions on one database."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(
            url,
            pool_size=16,
            max_overflow=32,
            hide_parameters=True,  # errors are logged
            json_deserializer=read_json,
        )
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
        self._readers: list[sa.Connection] = []

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading one consistent state.

        A few are kept from one read to the next: fetching one from the pool takes as long as a small read.
        """
        connection = self._reader()
        try:
            yield connection
            _rest(connection)
        except BaseException:
            connection.close()
            raise
        if len(self._readers) < READERS_KEPT:
            self._readers.append(connection)
        else:
            connection.close()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start, committed at the end or rolled back on an error."""
        with self.engine.connect().execution_options(outcrop_write=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Give every connection back."""
        while self._readers:
            self._readers.pop().close()
        self.engine.dispose()

    def _reader(self) -> sa.Connection:
        try:
            return self._readers.pop()
        except IndexError:  # the only way to ask that another thread cannot falsify
            return self.engine.connect()


def _rest(connection: sa.Connection) -> None:
    """End what was read in: SQLAlchemy's transaction, and the driver's where a prepared statement began it."""
    if connection.in_transaction():
        connection.rollback()
    connection.connection.rollback()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver's own guess takes the lock too late
    for pragma in ("journal_mode=wal", "synchronous=full", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=on"):
        connection.execute(f"pragma {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("outcrop_write", False)
    connection.exec_driver_sql("begin immediate" if writing else "begin")


def read_json(text: str | bytes) -> Any:
    """The value of a JSON column: what the standard library reads, several times as fast."""
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError:  # a loss that is not a number, half of a surrogate pair: written by Python's own json
        return json.loads(text)


class Moment(sa.TypeDecorator[datetime]):
    """An aware UTC datetime, kept as whole microseconds since 1970: sortable, exact, the same in every database."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Microseconds since 1970."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """The moment again."""
        return None if value is None else from_microseconds(value)


def to_microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970, without a float's rounding."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_microseconds(value: int) -> datetime:
    """The aware UTC moment that `to_microseconds` was given."""
    return _EPOCH + timedelta(microseconds=value)
