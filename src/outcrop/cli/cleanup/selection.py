"""What of an inventory is meant: by name, tag, age, or all. Knows nothing of deletion."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import click

from outcrop.cli.cleanup.inventory import Item

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Every given criterion must hold; several names, or several tags, are alternatives."""

    names: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    older_than: timedelta | None = None
    everything: bool = False

    @classmethod
    def of(cls, names: Sequence[str], tags: Sequence[str], older_than: str | None, everything: bool) -> "Selection":
        """The selection that the command line spells."""
        return cls(
            names=tuple(names),
            tags=tuple(_tag(text) for text in tags),
            older_than=None if older_than is None else parse_age(older_than),
            everything=everything,
        )

    @property
    def empty(self) -> bool:
        """Whether nothing was asked for."""
        return not (self.names or self.tags or self.older_than is not None or self.everything)

    def choose(self, items: Sequence[Item], now: datetime) -> list[Item]:
        """What is meant and can go, in the order of the inventory."""
        return [item for item in items if item.removable and self._means(item, now)]

    def _means(self, item: Item, now: datetime) -> bool:
        named = not self.names or any(fnmatchcase(item.name, glob) for glob in self.names)
        tagged = not self.tags or any(item.tags.get(key) == value for key, value in self.tags)
        aged = self.older_than is None or (item.created is not None and now - item.created > self.older_than)
        return not self.empty and named and tagged and aged


def parse_age(text: str) -> timedelta:
    """`90m`, `12h` or `7d`."""
    found = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no age: a number and m, h or d, such as 12h", param_hint="--older-than")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.BadParameter(f"{text!r} is no tag: write KEY=VALUE", param_hint="--tag")
    return key, value
