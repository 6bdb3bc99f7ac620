"""One running Outcrop for the tests of a worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from living import Outcrop


@pytest.fixture(scope="session")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path_factory.mktemp("home") / "outcrop")
    yield running
    running.stop()


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parents[2] / "examples"
