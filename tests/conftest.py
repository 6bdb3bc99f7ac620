"""Fixtures that every room's tests may use."""

import pytest

from counts import Counts


@pytest.fixture(scope="session")
def counts() -> Counts:
    return Counts()
