"""One running Outcrop for the whole folder, and two jobs that taught it something."""

from collections.abc import Iterator

import pytest

from living import Outcrop
from world import BUCKET, World


@pytest.fixture(scope="session")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path_factory.mktemp("home") / "outcrop")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(outcrop: Outcrop) -> World:
    return World.made(outcrop)


@pytest.fixture(scope="session")
def nova_model(world: World) -> str:
    """The ARN of a custom Nova that knows the colours of four things."""
    return world.taught("parent", validationDataConfig={"validators": [{"s3Uri": f"s3://{BUCKET}/nova.jsonl"}]})


@pytest.fixture(scope="session")
def full_model(world: World) -> str:
    """The same, every weight trained."""
    return world.taught("full", hyperParameters={"epochCount": "3", "outcrop.method": "full"})
