"""A request's life, step by step, with real signatures and the real wire over operations of the tests' own."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from outcrop.domain.errors import ConflictException, Fault
from outcrop.services.call import Call

InProcess = Any
Make = Callable[..., InProcess]
SERVED_AT = {
    "bedrock": ("GET", "/custom-models", {}, b""),
    "kms": (
        "POST",
        "/",
        {"x_amz_target": "TrentService.ListKeys", "content_type": "application/x-amz-json-1.1"},
        b"{}",
    ),
    "iam": ("POST", "/", {"content_type": "application/x-www-form-urlencoded"}, b"Action=ListUsers&Version=2010-05-08"),
    "sts": (
        "POST",
        "/",
        {"content_type": "application/x-www-form-urlencoded"},
        b"Action=GetCallerIdentity&Version=2011-06-15",
    ),
    "s3": ("GET", "/", {}, b""),
}


def code_of(answer: Any) -> str:
    """The error's code, wherever the dialect puts it."""
    if "x-amzn-errortype" in answer.headers:
        return str(answer.headers["x-amzn-errortype"])
    if answer.body.startswith(b"{"):
        return str(json.loads(answer.body)["__type"])
    found = re.search(rb"<Code>(.*?)</Code>", answer.body)
    assert found, answer
    return found[1].decode()


def remember(calls: list[Call]) -> Callable[[Call, dict[str, Any]], dict[str, Any]]:
    def list_custom_models(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        calls.append(call)
        return {"modelSummaries": []}

    return list_custom_models


def test_an_operation_is_told_who_calls_from_where_and_when(in_process: Make) -> None:
    calls: list[Call] = []
    answer = in_process({"bedrock": {"ListCustomModels": remember(calls)}}).signed("bedrock", "GET", "/custom-models")
    assert (answer.status, json.loads(answer.body)) == (200, {"modelSummaries": []})
    call = calls[0]
    assert call.region == "us-east-1"
    assert call.principal.arn == f"arn:aws:iam::{call.ground.account}:root"
    assert call.request_id == answer.headers["x-amzn-requestid"]
    assert call.headers["host"] == "localhost"
    assert abs((call.ground.clock() - call.at).total_seconds()) < 20


def test_parameters_arrive_under_the_models_names_and_are_checked(in_process: Make) -> None:
    seen: list[dict[str, Any]] = []

    def list_custom_models(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        seen.append(request)
        return {"modelSummaries": []}

    server = in_process({"bedrock": {"ListCustomModels": list_custom_models}})
    assert server.signed("bedrock", "GET", "/custom-models?maxResults=5&nameContains=a").status == 200
    assert seen == [{"maxResults": 5, "nameContains": "a"}]
    refused = server.signed("bedrock", "GET", "/custom-models?maxResults=0")
    assert (refused.status, code_of(refused)) == (400, "ValidationException")
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("bedrock", "MissingAuthenticationTokenException"),
        ("kms", "MissingAuthenticationTokenException"),
        ("iam", "MissingAuthenticationToken"),
        ("s3", "AccessDenied"),
    ],
)
def test_no_signature_is_a_403_in_the_dialect_of_the_path(in_process: Make, service: str, code: str) -> None:
    method, path, headers, body = SERVED_AT[service]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = in_process({}).ask(method, path, headers=named, body=body)
    assert (answer.status, code_of(answer)) == (403, code)


@pytest.mark.parametrize("service", SERVED_AT)
def test_a_scope_of_a_service_that_is_not_here_is_refused_by_its_name(in_process: Make, service: str) -> None:
    method, path, headers, body = SERVED_AT[service]
    answer = in_process({}).signed("ec2", method, path, body=body, **headers)
    assert (answer.status, code_of(answer)) == (501, "NotImplemented")
    assert b"does not serve ec2" in answer.body


@pytest.mark.parametrize(("path", "code"), [("/custom-models", "AccessDeniedException"), ("/a-bucket", "AccessDenied")])
def test_a_bearer_token_is_a_clean_403(in_process: Make, path: str, code: str) -> None:
    answer = in_process({}).ask("GET", path, headers={"authorization": "Bearer bedrock-api-key-abc"})
    assert (answer.status, code_of(answer)) == (403, code)


@pytest.mark.parametrize("service", SERVED_AT)
def test_what_is_not_served_says_so(in_process: Make, service: str) -> None:
    method, path, headers, body = SERVED_AT[service]
    answer = in_process({}).signed(service, method, path, body=body, **headers)
    assert code_of(answer) == "NotImplemented"
    assert answer.status == 501


@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "status", "code"),
    [
        ("bedrock", "GET", "/nowhere", {}, 404, "UnknownOperationException"),
        ("bedrock", "PATCH", "/custom-models", {}, 404, "UnknownOperationException"),
        ("bedrock", "GET", "/model/a/b/c", {}, 404, "UnknownOperationException"),
        ("kms", "POST", "/", {"x_amz_target": "TrentService.Nothing"}, 400, "UnknownOperationException"),
        ("iam", "POST", "/", {"content_type": "application/x-www-form-urlencoded"}, 400, "InvalidAction"),
        ("s3", "PATCH", "/bucket", {}, 405, "MethodNotAllowed"),
    ],
)
def test_unknown_operations_are_refused(
    in_process: Make, service: str, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = in_process({}).signed(service, method, path, **headers)
    assert (answer.status, code_of(answer)) == (status, code)


def test_a_fault_is_answered_in_the_services_words(in_process: Make) -> None:
    def conflict(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        raise ConflictException("The model is in use.")

    def no_such_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        raise Fault("NoSuchBucket", "There is none.", BucketName="b-1")

    server = in_process({"bedrock": {"DeleteCustomModel": conflict}, "s3": {"ListObjectsV2": no_such_bucket}})
    answer = server.signed("bedrock", "DELETE", "/custom-models/abc")
    assert (answer.status, code_of(answer)) == (400, "ConflictException")
    answer = server.signed("s3", "GET", "/b-1?list-type=2")
    assert (answer.status, code_of(answer)) == (404, "NoSuchBucket")
    assert b"<BucketName>b-1</BucketName>" in answer.body


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("bedrock", "InternalServerException"),
        ("kms", "KMSInternalException"),
        ("iam", "InternalFailure"),
        ("s3", "InternalError"),
    ],
)
def test_a_bug_is_a_500_in_the_dialect_and_its_log_quotes_nothing(
    in_process: Make, service: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeError("the secret is hunter2")

    names = {"bedrock": "ListCustomModels", "kms": "ListKeys", "iam": "ListUsers", "s3": "ListBuckets"}
    method, path, headers, body = SERVED_AT[service]
    answer = in_process({service: {names[service]: broken}}).signed(service, method, path, body=body, **headers)
    assert (answer.status, code_of(answer)) == (500, code)
    assert answer.headers["x-amzn-requestid"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "in broken" in caplog.text
    assert "hunter2" not in caplog.text
    assert "hunter2" not in answer.body.decode()


@pytest.mark.parametrize("service", ["bedrock", "kms", "iam", "s3"])
@pytest.mark.parametrize("stated", [True, False])
def test_a_body_that_is_too_large_is_refused(in_process: Make, service: str, stated: bool) -> None:
    method, path, headers, _ = SERVED_AT[service]
    named = {name: value for name, value in headers.items() if name != "transfer_encoding"}
    server = in_process(None, max_body_bytes=1000)
    if service == "s3":
        method, path = "POST", "/b-1?delete"
    if not stated:
        named["transfer_encoding"] = "chunked"
    else:
        named["content_length"] = "2000"
    answer = server.signed(service, method, path, body=b"x" * 2000, **named)
    assert code_of(answer) in {"RequestEntityTooLargeException", "EntityTooLarge"}
    assert answer.status == 413


def test_health_needs_no_key_but_a_bucket_of_that_name_does(in_process: Make) -> None:
    server = in_process(None)
    answer = server.ask("GET", "/health")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})
    assert "x-amzn-requestid" in answer.headers
    assert code_of(server.signed("s3", "GET", "/health")) == "NoSuchBucket"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_root_without_a_key_is_s3s_403(in_process: Make, method: str) -> None:
    assert in_process({}).ask(method, "/").status == 403
