"""Rows as records, and back: frozen dataclasses whose fields are a table's columns. Knows nothing of what they mean."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

Record = TypeVar("Record")


class Records(Generic[Record]):
    """Makes records of rows that have every column of a table, and rows of records.

    `enums` are the columns that hold an enum's value, where they are not null.

    Each slot is filled through its own descriptor: a frozen dataclass's `__init__` goes by name and takes six times as
    long, more than the query for a row of many columns.
    """

    def __init__(self, record: type[Record], table: sa.Table, enums: Mapping[str, type[Enum]]) -> None:
        names = table.c.keys()
        assert {*names} == {*vars(record)["__slots__"]}, f"{record.__name__} is not a row of {table.name}"
        assert not hasattr(record, "__post_init__"), f"{record.__name__} would go unchecked"
        self._record, self._names, self._enums = record, names, enums
        self._fill = [vars(record)[name].__set__ for name in names]
        self._converted = [(names.index(name), convert) for name, convert in enums.items()]

    def of(self, row: Sequence[Any]) -> Record:
        """The record of a row in the table's columns."""
        made = object.__new__(self._record)
        for fill, value in zip(self._fill, row, strict=True):
            fill(made, value)
        for place, convert in self._converted:
            if row[place] is not None:
                self._fill[place](made, convert(row[place]))
        return made

    def columns(self, record: Record) -> dict[str, Any]:
        """The row of a record, by the columns' names."""
        values = {name: getattr(record, name) for name in self._names}
        return values | {name: values[name].value for name in self._enums if values[name] is not None}
