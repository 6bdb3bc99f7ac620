"""A server on a socket, or in process, over the tests' own operations or the real ones; and boto3 to talk to it."""

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import uvloop
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from outcrop.config import Settings
from outcrop.domain.names import new_id
from outcrop.server.app import App, create_app
from outcrop.server.calling import Operations
from outcrop.server.serve import run
from outcrop.services import table
from outcrop.services.call import Ground
from outcrop.services.turned_away import TurnedAway
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
    stop: Callable[[], None]

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

    def stop() -> None:
        loop, ended = loop_and_end[0]
        if thread.is_alive():
            loop.call_soon_threadsafe(ended.set)
        thread.join(STOPS_WITHIN_S)
        assert not thread.is_alive(), "the server did not stop in time"

    try:
        yield Running(url=url, port=port[0], home=home, ground=ground, ca=ca, stop=stop)
    finally:
        stop()
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


# --- without a socket -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What an application sent."""

    status: int
    headers: dict[str, str]
    body: bytes


class InProcess:
    """An application asked directly, in ASGI's terms."""

    def __init__(self, app: App, home: Home) -> None:
        self.app, self._home = app, home

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        """One request, unsigned unless its headers sign it."""
        return asyncio.run(self.asked(method, path, headers=headers, body=body))

    async def asked(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """The same, of which many may be under way."""
        sent = {"host": "localhost", **(headers or {})}
        if body:
            sent.setdefault("content-length", str(len(body)))
        return await answer_of(self.app, scope_of(method, path, sent), [body])

    def signed(self, service: str, method: str, path: str, *, body: bytes = b"", **headers: str) -> Answer:
        """One request, signed as botocore signs."""
        return self.ask(method, path, headers=self.signature(service, method, path, body, **headers), body=body)

    def signature(self, service: str, method: str, path: str, body: bytes, **headers: str) -> dict[str, str]:
        """The headers of a request, signed."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, f"http://localhost{path}", data=body, headers=named)
        key = self._home.administrator()
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(Credentials(key.access_key_id, key.secret), service, "us-east-1").add_auth(request)
        return {k.lower(): str(v) for k, v in request.headers.items()}


def scope_of(method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
    raw_path, _, query = path.partition("?")
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {
        "type": "http",
        "method": method,
        "path": raw_path,
        "raw_path": raw_path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "headers": pairs,
    }


async def answer_of(app: App, scope: dict[str, Any], pieces: list[bytes]) -> Answer:
    """The application's answer to a body that comes in these pieces, from a client that then waits."""
    sent: list[Any] = []
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(20):
        await app(scope, receive, send)
    assert sent, "no answer"
    assert not sent[-1].get("more_body"), "the answer has no end"
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:]))


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home that no test of its own operations changes."""
    home = open_home(Settings(home=tmp_path_factory.mktemp("in-process") / "home"))
    yield home
    home.close()


@pytest.fixture
def in_process(shared_home: Home) -> Iterator[Callable[..., InProcess]]:
    """Applications without sockets, over the tests' own operations or the real ones."""
    apps = []

    def made(operations: Operations | None = None, turned_away: TurnedAway | None = None, **settings: Any) -> InProcess:
        home = dataclasses.replace(shared_home, settings=dataclasses.replace(shared_home.settings, **settings))
        ground = ground_of(home)
        if turned_away is not None:
            ground = dataclasses.replace(ground, turned_away=turned_away)
        apps.append(create_app(ground, operations))
        return InProcess(apps[-1], home)

    yield made
    for app in apps:
        app.close()
