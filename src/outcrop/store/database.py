"""The database: one SQLAlchemy engine, short transactions. Knows nothing of what the tables mean.

SQLite in WAL mode by default; every statement is SQLAlchemy Core, so that PostgreSQL can take its place.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
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

    def read(self) -> AbstractContextManager[sa.Connection]:
        """A connection for reading one consistent state.

        A few are kept from one read to the next: fetching one from the pool takes as long as a small read.
        """
        return _Reading(self.engine, self._readers)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start, committed at the end or rolled back on an error."""
        with self.engine.connect().execution_options(outcrop_write=True) as connection, connection.begin():
            yield connection

    @property
    def reads_never_wait(self) -> bool:
        """Whether a read is answered at once whoever writes, as SQLite does in WAL mode."""
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Give every connection back."""
        while self._readers:
            self._readers.pop().close()
        self.engine.dispose()


class _Reading:
    """One read: a kept connection or a new one, kept at the end unless something went wrong or enough are.

    A class, as a generator's context manager takes as long as the read's own Python.
    """

    __slots__ = ("_connection", "_engine", "_kept")

    def __init__(self, engine: sa.Engine, kept: list[sa.Connection]) -> None:
        self._engine, self._kept = engine, kept

    def __enter__(self) -> sa.Connection:
        try:
            self._connection = self._kept.pop()
        except IndexError:  # the only way to ask that another thread cannot falsify
            self._connection = self._engine.connect()
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        connection, keeps = self._connection, False
        try:
            if kind is None:
                _rest(connection)
                keeps = len(self._kept) < READERS_KEPT
        finally:
            if keeps:
                self._kept.append(connection)
            else:
                connection.close()


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


def reader_of(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """From what the driver gives, unless that is None, to a value of a column's type; None where they are the same.

    The type's own processor, but for the two that most columns have: it would call these from a second function.
    """
    processor = kind.result_processor(dialect, None)
    if isinstance(kind, Moment):
        return from_microseconds
    return read_json if processor is not None and isinstance(kind, sa.JSON) else processor


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
