"""A worker's scene on which batch jobs are queued and run."""

from typing import Any

import pytest

from batches import Batch


@pytest.fixture
def batch(scene: Any) -> Batch:
    return Batch(scene)
