"""Which operation a path asks for: raw segments, ARNs, and S3's precedence among queries and headers."""

import re
import tracemalloc
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop import wire
from outcrop.domain.errors import Fault

_COPY = {"x-amz-copy-source": "b/k"}


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("GET", "/", {}, "ListBuckets"),
        ("GET", "/?x-id=ListBuckets", {}, "ListBuckets"),
        ("PUT", "/b", {}, "CreateBucket"),
        ("PUT", "/b/", {}, "CreateBucket"),
        ("HEAD", "/b", {}, "HeadBucket"),
        ("DELETE", "/b", {}, "DeleteBucket"),
        ("GET", "/b", {}, "ListObjects"),
        ("GET", "/b?prefix=a&delimiter=/", {}, "ListObjects"),
        ("GET", "/b?list-type=2", {}, "ListObjectsV2"),
        ("GET", "/b/?list-type=2&prefix=a", {}, "ListObjectsV2"),
        ("GET", "/b?list-type=3", {}, "ListObjects"),
        ("GET", "/b?location", {}, "GetBucketLocation"),
        ("GET", "/b?location=", {}, "GetBucketLocation"),
        ("GET", "/b?tagging", {}, "GetBucketTagging"),
        ("GET", "/b?versions", {}, "ListObjectVersions"),
        ("GET", "/b?uploads", {}, "ListMultipartUploads"),
        ("PUT", "/b?policy", {}, "PutBucketPolicy"),
        ("GET", "/b?analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("GET", "/b?analytics&id=1", {}, "GetBucketAnalyticsConfiguration"),
        ("POST", "/b?delete", {}, "DeleteObjects"),
        ("GET", "/b/k", {}, "GetObject"),
        ("GET", "/b/k?x-id=GetObject", {}, "GetObject"),
        ("GET", "/b/k?partNumber=2", {}, "GetObject"),
        ("GET", "/b/k?response-content-type=text/plain", {}, "GetObject"),
        ("GET", "/b/k/?tagging", {}, "GetObjectTagging"),
        ("GET", "/b/k?uploadId=u", {}, "ListParts"),
        ("GET", "/b/k?attributes", {}, "GetObjectAttributes"),
        ("HEAD", "/b/a/b/c", {}, "HeadObject"),
        ("PUT", "/b/k", {}, "PutObject"),
        ("PUT", "/b/k?tagging", {}, "PutObjectTagging"),
        ("PUT", "/b/k?acl", {}, "PutObjectAcl"),
        ("PUT", "/b/k", _COPY, "CopyObject"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", _COPY, "UploadPartCopy"),
        # A part that forgets its upload must not become an object.
        ("PUT", "/b/k?partNumber=1", {}, "UploadPart"),
        ("PUT", "/b/k?uploadId=u", {}, "UploadPart"),
        ("POST", "/b/k?uploads", {}, "CreateMultipartUpload"),
        ("POST", "/b/k?uploadId=u", {}, "CompleteMultipartUpload"),
        ("POST", "/b/k?select&select-type=2", {}, "SelectObjectContent"),
        ("DELETE", "/b/k", {}, "DeleteObject"),
        ("DELETE", "/b/k?uploadId=u", {}, "AbortMultipartUpload"),
        ("DELETE", "/b/k?tagging", {}, "DeleteObjectTagging"),
    ],
)
def test_s3_tells_operations_apart_by_query_and_headers(
    method: str, target: str, headers: dict[str, str], expected: str
) -> None:
    path, _, query = target.partition("?")
    match = wire.service("s3").match(method, path, wire.read_query(query.encode()), headers)
    assert match is not None
    assert match.operation.name == expected


@pytest.mark.parametrize(
    ("raw_path", "key"),
    [
        ("/b/k", "k"),
        ("/b//k", "/k"),
        ("/b/k/", "k/"),
        ("/b/a%2Fb", "a/b"),
        ("/b/%2E%2E/x", "../x"),
        ("/b/a%20b+c", "a b+c"),
        ("/b/%C3%A9", "é"),
        ("/b/a%25b", "a%b"),
    ],
)
def test_a_key_is_everything_after_the_bucket_decoded_once(raw_path: str, key: str) -> None:
    match = wire.service("s3").match("GET", raw_path, (), {})
    assert match is not None
    assert match.uri == {"Bucket": "b", "Key": key}


@pytest.mark.parametrize(
    ("method", "raw_path", "expected", "uri"),
    [
        ("GET", "/custom-models", "ListCustomModels", {}),
        ("GET", "/custom-models/", "ListCustomModels", {}),
        (
            "GET",
            "/custom-models/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Acustom-model%2Famazon.nova%2Fabcdefghijkl",
            "GetCustomModel",
            {"modelIdentifier": "arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova/abcdefghijkl"},
        ),
        (
            "POST",
            "/model-customization-jobs/arn:aws:bedrock:us-east-1:123456789012:model-customization-job%2Fa.b%2Fc/stop",
            "StopModelCustomizationJob",
            {"jobIdentifier": "arn:aws:bedrock:us-east-1:123456789012:model-customization-job/a.b/c"},
        ),
        ("PATCH", "/provisioned-model-throughput/p", "UpdateProvisionedModelThroughput", {"provisionedModelId": "p"}),
        ("GET", "/provisioned-model-throughputs", "ListProvisionedModelThroughputs", {}),
        (
            "GET",
            "/model-customization/custom-model-deployments/d",
            "GetCustomModelDeployment",
            {"customModelDeploymentIdentifier": "d"},
        ),
    ],
)
def test_an_arn_is_one_segment(method: str, raw_path: str, expected: str, uri: dict[str, str]) -> None:
    match = wire.service("bedrock").match(method, raw_path, (), {})
    assert match is not None
    assert (match.operation.name, match.uri) == (expected, uri)


@given(st.text(st.sampled_from("k%2Cc3A9eé\xff ") | st.characters(max_codepoint=255, exclude_characters="?")))
def test_a_key_is_decoded_as_urllib_does(text: str) -> None:
    try:
        expected = None if re.search("%(?![0-9A-Fa-f]{2})", text) else unquote(text, errors="strict")
    except UnicodeDecodeError:
        expected = None
    try:
        match = wire.service("s3").match("GET", f"/b/k{text}", (), {})
    except Fault as fault:
        assert (fault.code, expected) == ("InvalidURI", None)
    else:
        assert match is not None
        assert match.uri["Key"] == f"k{expected}"


@pytest.mark.parametrize("raw_path", ["/b/%", "/b/%zz", "/b/%ff%fe", "/%c3/k"])
def test_a_path_that_is_no_percent_encoded_utf8_is_refused(raw_path: str) -> None:
    with pytest.raises(Fault) as caught:
        wire.service("s3").match("GET", raw_path, (), {})
    assert caught.value.code == "InvalidURI"


@pytest.mark.parametrize(
    ("name", "method", "raw_path", "code", "status"),
    [
        ("bedrock", "GET", "/no-such-thing", "UnknownOperationException", 404),
        ("bedrock", "TRACE", "/custom-models", "UnknownOperationException", 404),
        ("s3", "PATCH", "/b/k", "MethodNotAllowed", 405),
        ("s3", "POST", "/", "MethodNotAllowed", 405),
        ("iam", "POST", "/", "InvalidAction", 400),
        ("kms", "POST", "/", "UnknownOperationException", 400),
    ],
)
def test_what_no_operation_answers_is_said_in_the_services_words(
    name: str, method: str, raw_path: str, code: str, status: int
) -> None:
    asked = wire.service(name)
    assert asked.match(method, raw_path, (), {}, b"") is None
    error = asked.no_such_operation(method, raw_path)
    assert (error.code, wire.fault(asked, None, error, "r").status) == (code, status)


def test_every_operation_of_the_rest_models_has_a_path_of_its_own(service: wire.Service) -> None:
    """But for those that S3 answers on other hosts, and those that share an address with a deprecated twin."""
    if not service.protocol.startswith("rest"):
        return
    unreachable = {name for name in service.operation_names if not _reaches(service, name)}
    twins = {f"{verb}Bucket{what}" for verb in ("Get", "Put") for what in ("Lifecycle", "Notification")}
    expected = {"ListDirectoryBuckets", "WriteGetObjectResponse"} | twins
    assert unreachable == (expected if service.name == "s3" else set())


def _reaches(service: wire.Service, name: str) -> bool:
    operation = service.operation(name)
    path, _, literals = operation.model.http["requestUri"].partition("?")
    shape = operation.model.input_shape
    members: dict[str, Any] = {} if shape is None else {key: shape.members[key] for key in shape.required_members}
    placed = [(m.serialization.get("location"), m.serialization.get("name")) for m in members.values()]
    query = wire.read_query(literals.encode()) + [(name, "1") for place, name in placed if place == "querystring"]
    headers = {str(name).lower(): "x" for place, name in placed if place == "header"}
    raw_path = "/".join("label" if part.startswith("{") else part for part in path.split("/"))
    match = service.match(operation.method, raw_path, query, headers)
    return match is not None and match.operation is operation


# ---------------------------------------------------------------- what is remembered of paths


def test_a_path_that_was_asked_before_leads_by_method_query_and_headers_as_at_first() -> None:
    for _ in range(2):
        assert _name("GET", "/twice/k") == "GetObject"
        assert _name("GET", "/twice/k", (("tagging", ""),)) == "GetObjectTagging"
        assert _name("PUT", "/twice/k") == "PutObject"
        assert _name("PUT", "/twice/k", headers=_COPY) == "CopyObject"
        assert _name("PATCH", "/twice/k") is None


def test_what_a_caller_does_to_an_answer_changes_no_later_one() -> None:
    for _ in range(2):
        match = wire.service("s3").match("GET", "/mine/k", (), {})
        assert match is not None and match.uri == {"Bucket": "mine", "Key": "k"}
        match.uri["Bucket"] = "theirs"


@pytest.mark.parametrize("length", [10, 4000], ids=["short paths", "long paths"])
def test_strangers_cannot_fill_the_memory_with_paths(length: int) -> None:
    """Paths come from anybody: those that are remembered are few, and short."""
    for number in range(1500):
        _name("GET", f"/b/{number:0{length}}")
    tracemalloc.start()
    for number in range(1500, 4500):
        _name("GET", f"/b/{number:0{length}}")
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2**20


def _name(method: str, raw_path: str, query: Any = (), headers: Any = None) -> str | None:
    match = wire.service("s3").match(method, raw_path, query, headers or {})
    return None if match is None else match.operation.name
