"""Two ways in: a real server with boto3 on a socket, and the operations alone with a clock of their own."""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvloop
from botocore.config import Config

from outcrop.config import Settings
from outcrop.domain.names import new_id
from outcrop.server.serve import run
from outcrop.services.call import Call, Ground, Principal
from outcrop.services.table import OPERATIONS
from outcrop.store.home import Home, open_home

WITHIN_S = 20
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Service:
    """A service's operations as functions: `kms("CreateKey", Description="x")`."""

    name: str
    call: Call

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        answer: Any = OPERATIONS[self.name][operation](self.call, request)
        return dict(answer)

    def later(self, **time: int) -> "Service":
        return Service(self.name, replace(self.call, at=self.call.at + timedelta(**time)))

    def of(self, name: str) -> "Service":
        return Service(name, self.call)

    def at(self, region: str) -> "Service":
        return Service(self.name, replace(self.call, region=region))

    def by(self, arn: str, user_id: str) -> "Service":
        principal = Principal(
            account=self.call.principal.account, arn=arn, user_id=user_id, session=":assumed-role/" in arn
        )
        return Service(self.name, replace(self.call, principal=principal))


@dataclass(frozen=True)
class Account:
    """A server that answers, its home, and boto3 clients for it."""

    home: Home
    url: str

    def client(self, service: str, region: str = "us-east-1", **keys: Any) -> Any:
        administrator = self.home.administrator()
        chosen = {
            "aws_access_key_id": administrator.access_key_id,
            "aws_secret_access_key": administrator.secret,
            **keys,
        }
        config = Config(retries={"total_max_attempts": 1}, read_timeout=WITHIN_S, connect_timeout=5)
        return boto3.client(service, region, endpoint_url=self.url, config=config, **chosen)


def ground_of(home: Home) -> Ground:
    return Ground(
        settings=home.settings,
        database=home.database,
        account=home.account,
        clock=lambda: datetime.now(UTC),
        new_id=new_id,
        master_key=home.master_key,
    )


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that nobody has used, to copy: to make one takes longer than most tests."""
    folder = tmp_path_factory.mktemp("new") / "home"
    open_home(Settings(home=folder), NOON).close()
    return folder


@pytest.fixture
def service(tmp_path: Path, new_home: Path) -> Iterator[Service]:
    """The operations on a fresh home, called by the account's root at noon."""
    home = open_home(Settings(home=Path(shutil.copytree(new_home, tmp_path / "home"))), NOON)
    root = Principal(account=home.account, arn=f"arn:aws:iam::{home.account}:root", user_id=home.account)
    yield Service("iam", Call(ground=ground_of(home), principal=root, region="us-east-1", request_id="r", at=NOON))
    home.close()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """A server on a socket of its own."""
    with _serving(Settings(home=tmp_path_factory.mktemp("account") / "home", port=0)) as running:
        yield running


@contextlib.contextmanager
def _serving(settings: Settings) -> Iterator[Account]:
    home = open_home(settings)
    ready, ports, ends = threading.Event(), [], []

    async def serve() -> None:
        ended = asyncio.Event()
        ends.append((asyncio.get_running_loop(), ended))

        def answers(port: int) -> None:
            ports.append(port)
            ready.set()

        await run(settings, ground_of(home), answers, ended)

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    assert ready.wait(WITHIN_S)
    try:
        yield Account(home, f"http://{settings.host}:{ports[0]}")
    finally:
        loop, ended = ends[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(WITHIN_S)
        assert not thread.is_alive()
        home.close()
