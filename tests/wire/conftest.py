"""What the wire's tests share: the operations served, values made from shapes, and a real boto client on a short line.

The line takes the client's request where it would leave for the network, and hands the client our answer.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import pytest
import regex
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.client import BaseClient
from botocore.config import Config
from botocore.model import Shape

from outcrop import wire
from outcrop.services.table import OPERATIONS

SERVED = {service: sorted(operations) for service, operations in OPERATIONS.items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `operation` runs for every operation served; one that takes `service`, for every service."""
    if "operation" in metafunc.fixturenames:
        served = [wire.service(service).operation(name) for service, names in SERVED.items() for name in names]
        metafunc.parametrize("operation", served, ids=lambda operation: f"{operation.service}:{operation.name}")
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", [wire.service(name) for name in SERVED], ids=lambda service: service.name)


# ---------------------------------------------------------------- values from shapes

_FITTING = [
    "a",
    "a-b",
    "v1",
    "DRAFT",
    "/",
    "000000",
    "abcdefghijkl",
    "123456789012",
    "AKIAIOSFODNN7EXAMPLE",
    "alias/team",
    "amazon.nova-lite-v1:0",
    "s3://bucket/key",
    "12345678-1234-1234-1234-123456789012",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/abcdefghijkl",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abcdefghijkl",
    "arn:aws:iam::123456789012:role/trainer",
    "arn:aws:lambda:us-east-1:123456789012:function:reward",
    "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
    "arn:aws:bedrock:us-east-1:123456789012:model-customization-job/amazon.nova-lite-v1:0:300k/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl",
    "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/abcdefghijkl",
    "amazon.nova",
    "arn:aws:bedrock:us-east-1:123456789012:automated-reasoning-policy/abcdefghijkl:1",
    "arn:aws:bedrock:us-east-1:123456789012:guardrail/abc",
    "arn:aws:s3:::a-bucket",
    "cluster-abcdefghijkl",
    "us-east-1",
    "0" * 64,
]
_UNFITTING = ["", " ", "é", "\x01", "a b", "-", "a" * 80 + "!", "\U0001f5ff" * 20, "?" * 6]
_STATED = {"Bucket": "a-bucket", "CopySource": "a-bucket/a%20key", "Key": "folder/a key+100%&é.txt"}
_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_DOCUMENT = {"a": [1, 2.5, None, "x", {"b": True}], "": {}}
_MOST_TURNS = 12
_LEFT_OUT = ("SSECustomer", "ContentMD5", "Checksum", "ContentLength", "EncodingType")
"""What botocore's S3 client rewrites or adds by itself."""


@dataclass(frozen=True)
class Examples:
    """Values that satisfy a shape. `turn` picks among enums and among the members of unions."""

    turn: int = 0
    full: bool = True
    _open: list[str] = field(default_factory=list)

    def arguments(self, operation: wire.Operation) -> dict[str, Any]:
        return self._top(operation.model.input_shape)

    def result(self, operation: wire.Operation) -> dict[str, Any]:
        return self._top(operation.model.output_shape)

    def _top(self, shape: Shape | None) -> dict[str, Any]:
        return {} if shape is None else self.value(shape)

    def value(self, shape: Shape, name: str = "") -> Any:
        if getattr(shape, "is_document_type", False):
            return _DOCUMENT
        match shape.type_name:
            case "structure":
                return self._structure(shape)
            case "list":
                size = max(shape.metadata.get("min", 0), 1) if self._open.count(shape.name) else 2
                size = min(max(size, shape.metadata.get("min", 0)), shape.metadata.get("max", 99))
                return [self.value(shape.member) for _ in range(size)]
            case "map":
                if shape.serialization.get("location"):
                    return {"some-name": "some text"}
                return {self.value(shape.key): self.value(shape.value)}
            case "string":
                return self._string(shape, name)
            case kind:
                return self._scalar(kind, shape)

    def _structure(self, shape: Shape) -> dict[str, Any]:
        members = {k: m for k, m in shape.members.items() if self._wanted(k, m, shape)}
        if getattr(shape, "is_tagged_union", False):
            names = [k for k, m in members.items() if not self._open.count(m.name)]
            members = {names[self.turn % len(names)]: members[names[self.turn % len(names)]]} if names else {}
        self._open.append(shape.name)
        try:
            return {key: self.value(member, key) for key, member in members.items()}
        finally:
            self._open.pop()

    def _wanted(self, key: str, member: Shape, shape: Shape) -> bool:
        if key in shape.required_members or getattr(shape, "is_tagged_union", False):
            return True
        return self.full and not self._open.count(member.name) and not any(part in key for part in _LEFT_OUT)

    def _string(self, shape: Shape, name: str) -> str:
        if shape.enum:
            return shape.enum[self.turn % len(shape.enum)]
        if name in _STATED and not shape.metadata.get("pattern"):
            return _STATED[name]
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
        if shape.metadata.get("pattern"):
            fitting = (text for text in _FITTING if low <= len(text) <= high)
            return next(text for text in fitting if regex.fullmatch(shape.metadata["pattern"], text))
        plain = "some text" if shape.serialization.get("location") else 'Grüße &\n<b>"100"%+\'</b>'
        return (plain * (low // 9 + 1))[:high]

    def _scalar(self, kind: str, shape: Shape) -> Any:
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
        match kind:
            case "integer" | "long":
                return min(max(low, 7), high)
            case "float" | "double":
                return float(min(max(low, 0.5), high))
            case "boolean":
                return True
            case "timestamp":
                return _MOMENT
            case _:
                return b"\x00 blob \xff" * (low // 8 + 1)


def unfitting(shape: Shape) -> str | None:
    """A text of allowed length that breaks the shape's pattern; None where every such text fits."""
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 10**6)
    texts = (text for text in _UNFITTING if low <= len(text) <= high)
    return next((text for text in texts if not regex.fullmatch(shape.metadata["pattern"], text)), None)


@pytest.fixture(scope="session")
def make_examples() -> type[Examples]:
    return Examples


@pytest.fixture(scope="session")
def varied() -> Callable[[Callable[[Examples], Any]], list[Any]]:
    """Different values of one kind: with the least members, and with all of them for every choice that there is."""

    def values(make: Callable[[Examples], Any]) -> list[Any]:
        found = [make(Examples(full=False))]
        for turn in range(_MOST_TURNS):
            value = make(Examples(turn=turn))
            if value not in found:
                found.append(value)
        return found

    return values


@pytest.fixture(scope="session")
def find_unfitting() -> Callable[[Shape], str | None]:
    return unfitting


# ---------------------------------------------------------------- the line


@dataclass(frozen=True)
class Seen:
    """A client's request as a server sees it."""

    method: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


class _Raw(io.BytesIO):
    """A body as urllib3 would hand it to botocore."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Line:
    """A boto client whose requests are seen, and answered by the response that `answers` was given."""

    def __init__(self, client: BaseClient) -> None:
        self.client = client
        self.seen: Seen | None = None
        self._response: wire.Response | None = None
        client.meta.events.register("before-send", self._before_send)

    def call(self, operation: wire.Operation, params: dict[str, Any], response: wire.Response) -> dict[str, Any]:
        self.seen, self._response = None, response
        method = botocore.xform_name(operation.name)
        answer: dict[str, Any] = getattr(self.client, method)(**params)
        return answer

    def _before_send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        parts = urlsplit(request.url)
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        query = wire.read_query(parts.query.encode())
        self.seen = Seen(request.method, parts.path, query, headers, _whole(request.body))
        assert self._response is not None
        answer = self._response
        headers_out = HeadersDict((name.decode(), value.decode("latin-1")) for name, value in answer.headers)
        return AWSResponse(request.url, answer.status, headers_out, _Raw(collect(answer.body)))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _whole(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return body if isinstance(body, bytes | bytearray) else body.read()


def collect(body: wire.ResponseBody) -> bytes:
    """A response's body in one piece, whatever kind it is."""
    if isinstance(body, bytes):
        return body
    if isinstance(body, AsyncIterator):
        return asyncio.run(_collected(body))
    return b"".join(body)


async def _collected(body: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in body])


@pytest.fixture(scope="session")
def collect_body() -> Callable[[wire.ResponseBody], bytes]:
    return collect


@pytest.fixture(scope="session")
def line_to() -> Callable[[str], Line]:
    session = botocore.session.Session()
    session.get_component("data_loader").search_paths.append(str(wire.OWN_MODELS))
    session.set_credentials("AKIAIOSFODNN7EXAMPLE", "secret")
    lines: dict[str, Line] = {}

    def line(service: str) -> Line:
        if service not in lines:
            config = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False)
            url = "http://127.0.0.1:8600"
            lines[service] = Line(session.create_client(service, "us-east-1", endpoint_url=url, config=config))
        return lines[service]

    return line
