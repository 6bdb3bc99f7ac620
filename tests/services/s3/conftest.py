"""Calls straight into the operations; and a real server on http and on https, with boto3 to talk to it."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
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
from outcrop.services.s3 import OPERATIONS
from outcrop.services.table import OPERATIONS as EVERY_OPERATION
from outcrop.store.home import AdministratorKey, Home, open_home

WITHIN_S = 20


@dataclass(frozen=True, kw_only=True)
class S3:
    """S3's operations as functions: `s3("GetObject", Bucket=..., Key=...)`."""

    call: Call

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        return OPERATIONS[operation](self.call, request)

    def at(self, region: str) -> "S3":
        return S3(call=replace(self.call, region=region))

    def told(self, **headers: str) -> "S3":
        return S3(call=replace(self.call, headers={name.replace("_", "-"): value for name, value in headers.items()}))

    def read(self, bucket: str, key: str, **request: Any) -> bytes:
        return b"".join(self("GetObject", Bucket=bucket, Key=key, **request)["Body"])

    def files(self) -> int:
        return sum(path.is_file() for path in self.call.ground.settings.objects_folder.rglob("*"))


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server that answers."""

    url: str
    ca: str | None
    key: AdministratorKey

    def client(self, **options: Any) -> Any:
        chosen: dict[str, Any] = {
            "region_name": "us-east-1",
            "endpoint_url": self.url,
            "aws_access_key_id": self.key.access_key_id,
            "aws_secret_access_key": self.key.secret,
            "verify": self.ca,
            "config": Config(retries={"total_max_attempts": 1}, read_timeout=30, connect_timeout=5),
        }
        return boto3.client("s3", **{**chosen, **options})

    def environment(self, folder: Path) -> dict[str, str]:
        told = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.key.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(folder / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
        }
        return told | ({"AWS_CA_BUNDLE": self.ca} if self.ca else {})


def ground_of(home: Home, clock: Callable[[], datetime]) -> Ground:
    return Ground(
        settings=home.settings,
        database=home.database,
        account=home.account,
        clock=clock,
        new_id=new_id,
        master_key=home.master_key,
    )


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3]:
    """The operations on a fresh home, at one fixed moment, with a bucket `data` in us-east-1."""
    noon = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    home = open_home(Settings(home=tmp_path / "home"), noon)
    caller = Principal(account=home.account, arn=f"arn:aws:iam::{home.account}:root", user_id=home.account)
    ground = ground_of(home, lambda: noon)
    made = S3(call=Call(ground=ground, principal=caller, region="us-east-1", request_id="r", at=noon))
    made("CreateBucket", Bucket="data")
    yield made
    home.close()


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[Served]:
    assert EVERY_OPERATION, "imported before the home is opened, so that its tables are made"
    home = open_home(settings)
    ready, ports, ends = threading.Event(), [], []

    async def serve() -> None:
        ended = asyncio.Event()
        ends.append((asyncio.get_running_loop(), ended))

        def answers(port: int) -> None:
            ports.append(port)
            ready.set()

        await run(settings, ground_of(home, lambda: datetime.now(UTC)), answers, ended)

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    assert ready.wait(WITHIN_S)
    scheme, ca = ("https", str(settings.certificate_file)) if settings.tls else ("http", None)
    try:
        yield Served(url=f"{scheme}://{settings.host}:{ports[0]}", ca=ca, key=home.administrator())
    finally:
        loop, ended = ends[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(WITHIN_S)
        assert not thread.is_alive()
        home.close()


@pytest.fixture(scope="module", params=["http", "https"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """boto3 sends checksums in a header over http and in a trailer over https: everything is tried on both."""
    home = tmp_path_factory.mktemp("served") / "home"
    with serving(Settings(home=home, port=0, tls=request.param == "https")) as running:
        yield running


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Any]:
    made = served.client()
    yield made
    made.close()
