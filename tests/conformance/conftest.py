"""One running Outcrop for the whole folder, and a job that taught it something."""

from collections.abc import Iterator

import pytest

from living import Outcrop
from world import World


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
    """The ARN of a custom Nova that knows the colours of four things. Every module may ask it; none may delete it."""
    return world.taught("colours")
