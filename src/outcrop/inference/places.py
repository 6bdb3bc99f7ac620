"""Where a step's tokens stand, and which of them an adapter is for: plain data. Knows no tensor."""

from dataclasses import dataclass
from typing import Generic, TypeVar

LaidOut = TypeVar("LaidOut")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span's tokens live: cache row, first position, count."""

    row: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Patched(Generic[LaidOut]):
    """The tokens from `start` to before `stop` run through an adapter, laid out as its network takes it."""

    start: int
    stop: int
    adapter: LaidOut
