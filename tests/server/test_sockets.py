"""What only a socket shows: hang-ups, streams, expectations, heads without end, and bytes that are no request."""

import asyncio
import json
import socket
import ssl
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.domain.errors import ModelErrorException
from outcrop.server.protocol import LONGEST_HEAD_BYTES
from outcrop.services.call import Call

WAITS_S = 20
BEGINS_WITHIN_S = 30  # the first call reads the service's model, on a machine that may be busy
Running = Any
Start = Callable[..., Running]


def talk(server: Running, sent: bytes) -> bytes:
    """All that the server says to these bytes, until it closes or the client has heard an answer's end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAITS_S) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def first_answer(client: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = client.recv(65536)
        assert piece, received
        received += piece
    return received


class Streams:
    """An operation that streams until it is stopped, and says what became of it."""

    def __init__(self) -> None:
        self.began, self.ended = threading.Event(), threading.Event()

    async def converse_stream(self, call: Call, request: dict[str, Any]) -> dict[str, Any]:
        return {"stream": self._events()}

    async def _events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        try:
            yield "messageStart", {"role": "assistant"}
            self.began.set()
            await asyncio.get_running_loop().create_future()
        finally:
            self.ended.set()


def converse_stream(server: Running) -> Any:
    messages = [{"role": "user", "content": [{"text": "Hello"}]}]
    return server.client("bedrock-runtime").converse_stream(modelId="amazon.nova-micro-v1:0", messages=messages)


def test_a_client_that_hangs_up_stops_the_stream_at_once(start: Start) -> None:
    streams = Streams()
    server = start({"bedrock-runtime": {"ConverseStream": streams.converse_stream}})
    stream = converse_stream(server)["stream"]
    assert next(iter(stream)) == {"messageStart": {"role": "assistant"}}
    stream.close()
    assert streams.ended.wait(WAITS_S)


def test_a_client_that_hangs_up_stops_what_it_waited_for(start: Start) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def converse(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        began.set()
        try:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
        finally:
            cancelled.set()

    server = start({"bedrock-runtime": {"Converse": converse}})

    path, body = "/model/m/converse", json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})
    request = AWSRequest("POST", f"{server.url}{path}", data=body, headers={"Content-Type": "application/json"})
    key = server.home.administrator()
    SigV4Auth(Credentials(key.access_key_id, key.secret), "bedrock", "us-east-1").add_auth(request)
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAITS_S) as client:
        client.sendall("\r\n".join([*lines, "", body]).encode())
        assert began.wait(BEGINS_WITHIN_S)
        assert not cancelled.is_set()
    assert cancelled.wait(WAITS_S)


def test_a_server_stops_in_time_although_a_stream_is_open(start: Start) -> None:
    streams = Streams()
    server = start({"bedrock-runtime": {"ConverseStream": streams.converse_stream}})
    stream = converse_stream(server)["stream"]
    next(iter(stream))
    assert streams.began.wait(WAITS_S)
    server.stop()  # fails if it takes too long
    assert streams.ended.is_set()
    stream.close()


def test_a_fault_in_a_stream_is_its_exception_event(start: Start) -> None:
    async def failing(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        async def events() -> AsyncIterator[tuple[str, dict[str, Any]]]:
            yield "messageStart", {"role": "assistant"}
            raise ModelErrorException("The engine failed.")

        return {"stream": events()}

    from botocore.exceptions import EventStreamError

    server = start({"bedrock-runtime": {"ConverseStream": failing}})
    with closing(converse_stream(server)["stream"]) as stream, pytest.raises(EventStreamError):
        list(stream)


def test_a_bug_in_a_stream_ends_it_and_the_server_lives(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        async def events() -> AsyncIterator[tuple[str, dict[str, Any]]]:
            yield "messageStart", {"role": "assistant"}
            raise RuntimeError("the secret is hunter2")

        return {"stream": events()}

    from botocore.exceptions import EventStreamError

    server = start({"bedrock-runtime": {"ConverseStream": broken}})
    with closing(converse_stream(server)["stream"]) as stream, pytest.raises(EventStreamError):
        list(stream)
    assert healthy(server)
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_refused_body_is_not_asked_for(start: Start) -> None:
    server = start({})
    head = b"PUT /b-1/key HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAITS_S) as client:
        client.sendall(head)
        answer = first_answer(client)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"connection: close" in answer


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "MissingAuthenticationTokenException"),
        ("Basic YTpi", "IncompleteSignatureException"),
        ("AWS4-HMAC-SHA256 Credential=AKIAWHO/{day}/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, "
         "Signature=00", "UnrecognizedClientException"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", ["Content-Length: 20000000", "Transfer-Encoding: chunked"])
def test_a_large_body_without_a_key_of_ours_is_not_asked_for(
    outcrop: Running, authorization: str | None, code: str, body: str
) -> None:
    now = datetime.now(UTC)
    lines = ["POST /model-customization-jobs HTTP/1.1", "Host: h", body, "Expect: 100-continue"]
    lines.append(f"X-Amz-Date: {now:%Y%m%dT%H%M%SZ}")
    if authorization is not None:
        lines.append(f"Authorization: {authorization.format(day=f'{now:%Y%m%d}')}")
    with socket.create_connection(("127.0.0.1", outcrop.port), timeout=WAITS_S) as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = first_answer(client)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert code.encode() in answer


def test_a_connection_too_many_is_turned_away_and_the_others_go_on(start: Start) -> None:
    server = start({}, max_connections=2)
    ask = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"

    def connected() -> socket.socket:
        return socket.create_connection(("127.0.0.1", server.port), timeout=WAITS_S)

    with connected() as first, connected() as second:
        for client in (first, second):
            client.sendall(ask)
            assert first_answer(client).startswith(b"HTTP/1.1 200 ")
        with connected() as third:
            heard = b"".join(iter(lambda: third.recv(65536), b""))
        assert heard.startswith(b"HTTP/1.1 503 ")
        assert heard.endswith(b"Too many connections are open.")
        first.sendall(ask)
        assert first_answer(first).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing(outcrop: Running) -> None:
    client = outcrop.client("s3")
    client.create_bucket(Bucket="half-a-body")
    url = client.generate_presigned_url("put_object", Params={"Bucket": "half-a-body", "Key": "k"})
    path = url.removeprefix(outcrop.url)
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{outcrop.port}\r\nContent-Length: 1000000\r\n\r\n"
    assert talk(outcrop, head.encode() + b"x" * 1000) == b""
    assert "Contents" not in client.list_objects_v2(Bucket="half-a-body")
    assert healthy(outcrop)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: " + b"a" * 2 * LONGEST_HEAD_BYTES,
        b"GET /" + b"a" * 2 * LONGEST_HEAD_BYTES,
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % number for number in range(20_000)),
    ],
    ids=["header", "path", "headers"],
)
def test_a_head_without_end_is_refused(outcrop: Running, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", outcrop.port), timeout=WAITS_S) as client:
        try:
            client.sendall(head)
            refused = client.recv(65536).startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
        except ConnectionError:  # refused so early that the rest of the head met a closed door
            refused = True
    assert refused
    assert healthy(outcrop)


def test_requests_in_one_packet_are_answered_in_turn(outcrop: Running) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    with socket.create_connection(("127.0.0.1", outcrop.port), timeout=WAITS_S) as client:
        client.sendall(one * 3)
        received = b""
        while received.count(b'{"status":"ok"}') < 3:
            received += client.recv(65536)
    assert received.count(b"HTTP/1.1 200") == 3


WORDS = st.sampled_from(
    [
        b"GET",
        b"PUT",
        b"POST",
        b"HEAD",
        b"OPTIONS",
        b" ",
        b"/",
        b"/custom-models",
        b"/model/%2F/converse",
        b"/%",
        b"/%zz",
        b"/%ff",
        b"?a=%ff&b",
        b"?X-Amz-Algorithm=AWS4-HMAC-SHA256",
        b"?AWSAccessKeyId=a&Signature=b&Expires=1",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"\r\n",
        b"\r\n\r\n",
        b"Host: h",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b"Authorization: AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
        b"Signature=0",
        b"Authorization: Bearer x",
        b"X-Amz-Target: TrentService.ListKeys",
        b"Content-Type: application/x-www-form-urlencoded",
        b"Upgrade: websocket\r\nConnection: Upgrade",
        b"Action=ListUsers",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"\x00",
        b"\xff",
    ]
)


@given(st.lists(st.one_of(WORDS, st.binary(max_size=20)), max_size=14).map(b"".join))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_bytes_give_a_500_or_hang(outcrop: Running, sent: bytes) -> None:
    said = talk(outcrop, sent)
    assert not any(line.startswith(b"HTTP/1.1 5") for line in said.split(b"\r\n")), said
    assert healthy(outcrop)


def healthy(server: Running) -> bool:
    context = ssl.create_default_context(cafile=server.ca) if server.ca else None
    with urllib.request.urlopen(f"{server.url}/health", timeout=WAITS_S, context=context) as answer:
        return bool(json.load(answer) == {"status": "ok"})


def test_tls_answers_with_a_certificate_that_its_ca_file_proves(outcrop_tls: Running) -> None:
    assert outcrop_tls.url.startswith("https://")
    assert healthy(outcrop_tls)
