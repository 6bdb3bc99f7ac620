"""Rows as records: frozen dataclasses whose fields are a table's columns. Knows nothing of what they mean."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

Record = TypeVar("Record")


class Records(Generic[Record]):
    """Makes records of rows that have every column of a table. The `converted` columns change where they are not null.

    Each slot is filled through its own descriptor: a frozen dataclass's `__init__` goes by name and takes six times as
    long, more than the query for a row of many columns.
    """

    def __init__(self, record: type[Record], table: sa.Table, converted: Mapping[str, Callable[[Any], Any]]) -> None:
        names = table.c.keys()
        assert {*names} == {*vars(record)["__slots__"]}, f"{record.__name__} is not a row of {table.name}"
        assert not hasattr(record, "__post_init__"), f"{record.__name__} would go unchecked"
        self._record = record
        self._fill = [vars(record)[name].__set__ for name in names]
        self._converted = [(names.index(name), convert) for name, convert in converted.items()]

    def of(self, row: Sequence[Any]) -> Record:
        """The record of a row in the table's columns."""
        made = object.__new__(self._record)
        for fill, value in zip(self._fill, row, strict=True):
            fill(made, value)
        for place, convert in self._converted:
            if row[place] is not None:
                self._fill[place](made, convert(row[place]))
        return made
