"""A server on a socket, or in process, over the tests' own operations or the real ones; and boto3 to talk to it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvloop
from botocore.config import Config

from outcrop.config import Settings
from outcrop.domain.names import new_id
from outcrop.server.calling import Operations
from outcrop.server.serve import run
from outcrop.services import table
from outcrop.services.call import Ground
from outcrop.store.home import Home, open_home

STARTS_WITHIN_S = 20
STOPS_WITHIN_S = 10


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that answers, and how to reach it."""

    url: str
    port: int
    home: Home
    ground: Ground
    ca: str | None

    def client(self, service: str, **options: Any) -> Any:
        key = self.home.administrator()
        chosen = {
            "region_name": "us-east-1",
            "endpoint_url": self.url,
            "aws_access_key_id": key.access_key_id,
            "aws_secret_access_key": key.secret,
            "verify": self.ca,
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=20, connect_timeout=5),
        }
        return boto3.client(service, **{**chosen, **options})


Start = Callable[..., Running]


@contextlib.contextmanager
def serving(settings: Settings, operations: Operations | None = None) -> Iterator[Running]:
    """A server in a thread of its own, with a loop of its own, on a free port."""
    assert table.OPERATIONS, "imported before the home is opened, so that its tables are made"
    home = open_home(settings)
    ground = ground_of(home)
    port: list[int] = []
    failures: list[BaseException] = []
    ready = threading.Event()
    loop_and_end: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def answers(number: int) -> None:
        port.append(number)
        ready.set()

    async def serve() -> None:
        ended = asyncio.Event()
        loop_and_end.append((asyncio.get_running_loop(), ended))
        await run(settings, ground, answers, ended, operations)

    def work() -> None:
        try:
            uvloop.run(serve())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(STARTS_WITHIN_S)
    if failures:
        raise failures[0]
    scheme = "https" if settings.tls else "http"
    ca = str(settings.certificate_file) if settings.tls else None
    url = f"{scheme}://{settings.host}:{port[0]}"
    try:
        yield Running(url=url, port=port[0], home=home, ground=ground, ca=ca)
    finally:
        loop, ended = loop_and_end[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(STOPS_WITHIN_S)
        assert not thread.is_alive(), "the server did not stop in time"
        home.close()
    if failures:
        raise failures[0]


def ground_of(home: Home) -> Ground:
    return Ground(
        settings=home.settings,
        database=home.database,
        account=home.account,
        clock=lambda: datetime.now(UTC),
        new_id=new_id,
        master_key=home.master_key,
    )


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start servers; each stops at the end of the test."""
    with contextlib.ExitStack() as stack:

        def started(operations: Operations | None = None, **settings: Any) -> Running:
            chosen = Settings(**{"home": tmp_path / "home", "port": 0, **settings})
            return stack.enter_context(serving(chosen, operations))

        yield started


@pytest.fixture(scope="session")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole of what is served, over http."""
    with serving(Settings(home=tmp_path_factory.mktemp("outcrop") / "home", port=0)) as running:
        yield running


@pytest.fixture(scope="session")
def outcrop_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole of what is served, over https."""
    settings = Settings(home=tmp_path_factory.mktemp("outcrop-tls") / "home", port=0, tls=True)
    with serving(settings) as running:
        yield running
