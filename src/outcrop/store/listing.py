"""Rows of a table in the order of their creation, a page at a time (keyset, so that insertions shift nothing).

There is one prepared statement for each set of filters. Knows nothing of tokens and of what rows mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.store.database import Moment
from outcrop.store.prepared import Prepared

Test = Callable[[sa.BindParameter[Any]], sa.ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last row's creation time and id."""

    created_at: datetime
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What to list: the filters' values by name, and the slice. `after` None starts at the beginning."""

    filters: Mapping[str, Any] = field(default_factory=dict)
    limit: int
    descending: bool = True
    after: Position | None = None


class Listing:
    """Pages of `columns` of one table; `tests` says what each filter means. The table has `created_at` and `id`."""

    def __init__(self, table: sa.Table, columns: Sequence[sa.Column[Any]], tests: Mapping[str, Test]) -> None:
        self._table, self._columns, self._tests = table, columns, tests
        self.name = table.name
        names = [column.name for column in columns]
        self._moment_at, self._id_at = names.index("created_at"), names.index("id")
        self._prepared: dict[tuple[object, ...], Prepared] = {}

    def rows(self, connection: sa.Connection, page: Page) -> list[tuple[Any, ...]]:
        """At most `limit` rows, in `columns`' order."""
        values = {**page.filters, "limit": page.limit}
        if page.after is not None:
            values |= {"after_moment": page.after.created_at, "after_id": page.after.id}
        key = (page.descending, page.after is None, *page.filters)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = Prepared(self._statement(page))
        return prepared.rows(connection, values)

    def position(self, row: tuple[Any, ...]) -> Position:
        """Where a page ends that ends with this row."""
        return Position(row[self._moment_at], row[self._id_at])

    def _statement(self, page: Page) -> sa.Select[Any]:
        """The statement of every page that has the same filters and order."""
        tests = [self._tests[name](sa.bindparam(name)) for name in page.filters]
        created_at, row_id = self._table.c.created_at, self._table.c.id
        if page.after is not None:
            here = sa.tuple_(created_at, row_id)
            end = sa.tuple_(sa.bindparam("after_moment", type_=Moment()), sa.bindparam("after_id", type_=sa.String()))
            tests.append(here < end if page.descending else here > end)
        order = (created_at.desc(), row_id.desc()) if page.descending else (created_at, row_id)
        return sa.select(*self._columns).where(*tests).order_by(*order).limit(sa.bindparam("limit", type_=sa.Integer()))


def contains(column: sa.ColumnElement[str]) -> Test:
    """The filter that a name contains a text, exactly as written (LIKE would ignore case on SQLite alone)."""
    return lambda text: sa.func.replace(column, text, "") != column
