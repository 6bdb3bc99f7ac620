"""Fixtures that every room's tests may use."""

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Counts:
    """How often a long test repeats: few by default, all with OUTCROP_COUNTS=full (`make soak`)."""

    full: bool

    def few_or_full(self, few: int, full: int) -> int:
        return full if self.full else few


@pytest.fixture(scope="session")
def counts() -> Counts:
    return Counts(full=os.environ.get("OUTCROP_COUNTS") == "full")
