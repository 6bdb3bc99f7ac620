"""A real database in the test's own folder, with every table that the test's imports have declared."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from outcrop.store.database import METADATA, Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'outcrop.db'}")
    METADATA.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def noon() -> datetime:
    return NOON
