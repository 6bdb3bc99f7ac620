"""OpenAI's dialect over HTTP: routes, keys, statuses, events; and API keys on Bedrock's own operations."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from outcrop.domain import api_key
from outcrop.domain.errors import (
    AccessDeniedException,
    Fault,
    ModelNotReadyException,
    ModelStreamErrorException,
    ResourceNotFoundException,
    ThrottlingException,
    ValidationException,
)
from outcrop.services.call import Call
from outcrop.store import identities
from outcrop.store.home import Home
from outcrop.store.identities import ApiKey, Entity, Kind

Make = Callable[..., Any]
WAITS_S = 20
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})


def key_in(home: Home, name: str) -> tuple[ApiKey, str]:
    """A user of that name with an API key, who may do everything."""
    with identities.changing(home.database) as connection:
        arn = f"arn:aws:iam::{home.account}:user/{name}"
        now = identities.access_keys(connection, identities.ROOT)[0].created_at
        user = Entity(kind=Kind.USER, name=name, path="/", unique_id=f"ID{name}", arn=arn, created_at=now)
        identities.create(connection, user)
        identities.put_inline(connection, user, "all", EVERYTHING)
        return identities.add_api_key(connection, user, now, None)


@pytest.fixture(scope="session")
def key(shared_home: Home) -> str:
    return key_in(shared_home, "ada")[1]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def answering(result: dict[str, Any], seen: list[Any] | None = None) -> Any:
    async def function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        if seen is not None:
            seen.append((call, request))
        return {"headers": {"x-outcrop-model": "what answers"}, **result}

    return function


def failing(fault: Exception) -> Any:
    async def function(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        raise fault

    return function


@pytest.mark.parametrize(
    ("method", "path", "operation", "request_"),
    [
        ("POST", "/v1/chat/completions", "createChatCompletion", {"model": "m"}),
        ("POST", "/v1/completions", "createCompletion", {"model": "m"}),
        ("GET", "/v1/models", "listModels", {}),
        ("GET", "/v1/models/amazon.nova-micro-v1:0", "retrieveModel", {"model": "amazon.nova-micro-v1:0"}),
        ("GET", "/v1/models/arn%3Aaws%3Ab%2Fc", "retrieveModel", {"model": "arn:aws:b/c"}),
        ("GET", "/v1/models/arn:aws:b/c", "retrieveModel", {"model": "arn:aws:b/c"}),
        ("POST", "/openai/v1/chat/completions", "createChatCompletion", {"model": "m"}),
    ],
)
def test_a_route_leads_to_its_operation(
    in_process: Make, key: str, method: str, path: str, operation: str, request_: dict[str, Any]
) -> None:
    seen: list[Any] = []
    server = in_process({"openai": {operation: answering({"body": {"a": "é"}}, seen)}})
    body = json.dumps(request_).encode() if method == "POST" else b""
    answer = server.ask(method, path, headers=bearer(key), body=body)
    assert (answer.status, json.loads(answer.body)) == (200, {"a": "é"})
    call, request = seen[0]
    assert request == request_
    assert call.principal.arn.endswith(":user/ada") and call.principal.bearer
    assert answer.headers["x-request-id"] == call.request_id == answer.headers["x-amzn-requestid"]
    assert answer.headers["x-outcrop-model"] == "what answers"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1/", 404, "unknown_url"),
        ("GET", "/v1/models/", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/m", 405, "method_not_allowed"),
        ("GET", "/v1/models", 501, "not_implemented"),
    ],
)
def test_what_is_not_there_is_refused(
    in_process: Make, key: str, method: str, path: str, status: int, code: str
) -> None:
    answer = in_process({}).ask(method, path, headers=bearer(key))
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (status, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b'"x"', b"\xff", b"[" * 100_000, b'{"a": "\\ud800"}'])
def test_a_body_that_is_no_object_is_refused(in_process: Make, key: str, body: bytes) -> None:
    server = in_process({"openai": {"createCompletion": answering({"body": {}})}})
    answer = server.ask("POST", "/v1/completions", headers=bearer(key), body=body)
    assert (answer.status, json.loads(answer.body)["error"]["type"]) == (400, "invalid_request_error")


def test_a_body_that_is_too_large_is_refused(in_process: Make, key: str) -> None:
    server = in_process({}, max_body_bytes=10)
    answer = server.ask("POST", "/v1/completions", headers=bearer(key), body=b'{"prompt": "long"}')
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer "}, {"authorization": "Bearer sk-other"}])
def test_without_a_living_key_nothing_is_answered(in_process: Make, headers: dict[str, str]) -> None:
    server = in_process({"openai": {"listModels": answering({"body": {}})}})
    answer = server.ask("GET", "/v1/models", headers=headers)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["type"]) == (401, "invalid_api_key", "invalid_request_error")
    assert "sk-other" not in answer.body.decode()


def test_a_signature_opens_nothing_here(in_process: Make) -> None:
    assert in_process({}).signed("bedrock", "GET", "/v1/models").status == 401


def test_a_key_that_was_switched_off_opens_nothing_at_once(in_process: Make, shared_home: Home) -> None:
    made, text = key_in(shared_home, "bob")
    server = in_process({"openai": {"listModels": answering({"body": {}})}})
    assert server.ask("GET", "/v1/models", headers=bearer(text)).status == 200
    with identities.changing(shared_home.database) as connection:
        identities.set_api_key_status(connection, made, False)
    assert server.ask("GET", "/v1/models", headers=bearer(text)).status == 401
    assert server.ask("GET", "/custom-models", headers=bearer(text)).status == 403


@pytest.mark.parametrize(
    ("fault", "status", "code", "param"),
    [
        (ValidationException("n: no.", param="n"), 400, None, "n"),
        (ValidationException("No."), 400, None, None),
        (AccessDeniedException("No."), 403, "access_denied", None),
        (ResourceNotFoundException("No."), 404, "model_not_found", "model"),
        (ThrottlingException("Later."), 429, "rate_limit_exceeded", None),
        (ModelNotReadyException("Later."), 503, "model_not_ready", None),
        (Fault("SomethingElse", "No."), 400, None, None),
    ],
)
def test_a_fault_is_said_as_openai_says_errors(
    in_process: Make, key: str, fault: Fault, status: int, code: str | None, param: str | None
) -> None:
    answer = in_process({"openai": {"listModels": failing(fault)}}).ask("GET", "/v1/models", headers=bearer(key))
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error["param"], error["message"]) == (status, code, param, fault.message)
    assert error.keys() == {"message", "type", "param", "code"}


def test_a_bug_is_a_500_and_neither_key_nor_words_are_logged(
    in_process: Make, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = in_process({"openai": {"listModels": failing(RuntimeError("the secret is hunter2"))}})
    answer = server.ask("GET", "/v1/models", headers=bearer(key))
    assert (answer.status, json.loads(answer.body)["error"]["type"]) == (500, "server_error")
    assert "RuntimeError" in caplog.text
    for secret in ("hunter2", key, key.removeprefix("ABSK")):
        assert secret not in caplog.text and secret not in answer.body.decode()


def events_of(body: bytes) -> list[Any]:
    said = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event]
    return [event if event == b"[DONE]" else json.loads(event) for event in said]


async def chunks(*, then: Exception | None = None) -> AsyncIterator[dict[str, Any]]:
    yield {"text": "line\n\nbreak"}
    if then is not None:
        raise then


def streamed(in_process: Make, key: str, then: Exception | None = None) -> Any:
    server = in_process({"openai": {"createCompletion": answering({"stream": chunks(then=then)})}})
    return server.ask("POST", "/v1/completions", headers=bearer(key), body=b"{}")


def test_a_stream_is_events_and_says_when_it_is_done(in_process: Make, key: str) -> None:
    answer = streamed(in_process, key)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert events_of(answer.body) == [{"text": "line\n\nbreak"}, b"[DONE]"]


def test_a_fault_in_a_stream_is_its_last_event(in_process: Make, key: str) -> None:
    first, last = events_of(streamed(in_process, key, ModelStreamErrorException("It stopped.")).body)
    assert first == {"text": "line\n\nbreak"}
    assert last["error"] == {"message": "It stopped.", "type": "server_error", "param": None, "code": "model_error"}


def test_a_client_that_hangs_up_stops_the_stream_at_once(start: Make) -> None:
    began, ended = threading.Event(), threading.Event()

    async def endless() -> AsyncIterator[dict[str, Any]]:
        try:
            yield {"text": "x"}
            began.set()
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    server = start({"openai": {"createCompletion": answering({"stream": endless()})}})
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAITS_S) as client:
        client.sendall(head(key_in(server.home, "ada")[1], length=2) + b"{}")
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        assert began.wait(WAITS_S)
    assert ended.wait(WAITS_S)


@pytest.mark.parametrize("path", ["/v1/completions", "/model/m/converse"])
@pytest.mark.parametrize("length", [3, 20_000_000])
def test_a_body_is_not_asked_for_under_a_key_that_does_not_live(outcrop: Any, path: str, length: int) -> None:
    unknown = api_key.spell("eve+0-at-123456789012", "s" * 44)
    with socket.create_connection(("127.0.0.1", outcrop.port), timeout=WAITS_S) as client:
        client.sendall(head(unknown, length, path=path))
        answer = client.recv(65536)
    assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 403 "))


def head(key: str, length: int, path: str = "/v1/completions") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: h", f"Authorization: Bearer {key}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


# --- API keys on Bedrock's own operations -----------------------------------------------------------------------------


def test_a_key_signs_nothing_and_is_taken_by_bedrock(in_process: Make, key: str) -> None:
    calls: list[Call] = []

    def list_foundation_models(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        calls.append(call)
        return {"modelSummaries": []}

    server = in_process({"bedrock": {"ListFoundationModels": list_foundation_models}})
    assert server.ask("GET", "/foundation-models", headers=bearer(key)).status == 200
    assert calls[0].principal.arn.endswith(":user/ada")
    assert (calls[0].region, calls[0].principal.bearer) == ("us-east-1", True)


def test_a_call_knows_the_address_that_connected(start: Make) -> None:
    calls: list[Call] = []

    def list_foundation_models(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        calls.append(call)
        return {"modelSummaries": []}

    server = start({"bedrock": {"ListFoundationModels": list_foundation_models}})
    server.client("bedrock").list_foundation_models()
    assert calls[0].source_ip == "127.0.0.1"


def test_what_policies_deny_a_key_is_not_done(in_process: Make, shared_home: Home) -> None:
    def delete(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("nobody may do this")

    made, text = key_in(shared_home, "carol")
    with identities.changing(shared_home.database) as connection:
        carol = identities.get(connection, Kind.USER, made.user_name)
        identities.put_inline(
            connection, carol, "all", EVERYTHING.replace('"Action": "*"', '"Action": "bedrock:List*"')
        )
    server = in_process({"bedrock": {"DeleteCustomModel": delete}})
    answer = server.ask("DELETE", "/custom-models/m", headers=bearer(text))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")


def test_openais_client_hears_of_a_fault_in_a_stream(start: Make) -> None:
    import openai

    failed = chunks(then=ModelStreamErrorException("It stopped."))
    server = start({"openai": {"createCompletion": answering({"stream": failed})}})
    key = key_in(server.home, "ada")[1]
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0) as client:
        stream = client.completions.create(model="m", prompt="p", stream=True)
        next(stream)
        with pytest.raises(openai.APIError, match="It stopped"):
            next(stream)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a-bucket", {}),
        ("/openai/key", {}),
        ("/", {"x-amz-target": "TrentService.ListKeys"}),
        ("/", {"content-type": "application/x-www-form-urlencoded"}),
    ],
)
def test_no_other_service_takes_a_key(in_process: Make, key: str, path: str, headers: dict[str, str]) -> None:
    assert in_process().ask("POST", path, headers={**headers, **bearer(key)}).status == 403


@pytest.fixture
def bearer_runtime(outcrop_tls: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """boto3 as a user has it who was given nothing but a key."""
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key_in(outcrop_tls.home, "grace")[1])
    clients = [
        boto3.client(name, "us-east-1", endpoint_url=outcrop_tls.url, verify=outcrop_tls.ca)
        for name in ("bedrock", "bedrock-runtime")
    ]
    yield clients
    for client in clients:
        client.close()


def test_boto3_with_nothing_but_a_key_is_served_over_tls(bearer_runtime: Any) -> None:
    from botocore.exceptions import ClientError

    bedrock, runtime = bearer_runtime
    assert bedrock.list_foundation_models()["modelSummaries"]
    with pytest.raises(ClientError) as refused:
        runtime.converse(modelId="nobodys", messages=[{"role": "user", "content": [{"text": "Hello"}]}])
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"
