"""Statements of SQLAlchemy Core, compiled once and run on the driver's own cursor: a third of the time for small reads.

Same connection, same transaction, same types in and out. Knows nothing of what is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from outcrop.store.database import reader_of

Convert = Callable[[Any], Any]


class Prepared:
    """One statement, ready for whichever database it is first run on."""

    def __init__(self, statement: sa.Select[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Every row; `values` are the statement's bind parameters by name."""
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compiled[connection.dialect.name] = _Compiled(self._statement, connection.dialect)
        return compiled.rows(connection, values)

    def first(self, connection: sa.Connection, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row, or None."""
        rows = self.rows(connection, values)
        return rows[0] if rows else None


class NameOrArn:
    """Finds the row of a name or of an ARN in one Region and account, among the rows that fit `conditions`."""

    def __init__(self, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> None:
        here = [column == sa.bindparam(column.name) for column in (table.c.region, table.c.account)]
        found = sa.select(table).where(*here, *conditions)
        self._by_name = Prepared(found.where(table.c.name == sa.bindparam("identifier")))
        self._by_arn = Prepared(found.where(table.c.arn == sa.bindparam("identifier")))

    def first(self, connection: sa.Connection, region: str, account: str, identifier: str) -> tuple[Any, ...] | None:
        """The row in the table's columns, or None."""
        found = self._by_arn if identifier.startswith("arn:") else self._by_name
        return found.first(connection, {"region": region, "account": account, "identifier": identifier})


class _Compiled:
    """A statement's text for one dialect, with the conversions of its values and of its columns."""

    def __init__(self, statement: sa.Select[Any], dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._positions: list[str] | None = compiled.positiontup if compiled.positional else None
        self._fixed = compiled.params
        self._into = _conversions({name: bind.type.bind_processor(dialect) for name, bind in compiled.binds.items()})
        columns = enumerate(statement.selected_columns)
        self._out = _conversions({place: reader_of(column.type, dialect) for place, column in columns})

    def rows(self, connection: sa.Connection, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._sql, self._bound(values))
            rows = cursor.fetchall()
            return [self._converted(row) for row in rows] if self._out else [tuple(row) for row in rows]
        finally:
            cursor.close()

    def _bound(self, values: Mapping[str, Any]) -> Any:
        bound = {**self._fixed, **values}
        for name, convert in self._into:
            bound[name] = convert(bound[name])
        return bound if self._positions is None else [bound[name] for name in self._positions]

    def _converted(self, row: Sequence[Any]) -> tuple[Any, ...]:
        values = list(row)
        for place, convert in self._out:
            if (value := values[place]) is not None:
                values[place] = convert(value)
        return tuple(values)


def _conversions(found: Mapping[Any, Convert | None]) -> tuple[tuple[Any, Convert], ...]:
    return tuple((key, convert) for key, convert in found.items() if convert is not None)
