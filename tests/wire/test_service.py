"""Which service a request is for, how its model is read, and what it costs."""

import subprocess
import sys
from typing import Any

import pytest

from outcrop import wire


def test_no_service_of_ours_speaks_cbor(service: wire.Service) -> None:
    """A client that chose CBOR would not be understood."""
    protocols = service.model.metadata.get("protocols", [service.model.metadata["protocol"]])
    assert not any("cbor" in protocol for protocol in protocols)
    assert service.protocol == {
        "bedrock": "rest-json",
        "bedrock-runtime": "rest-json",
        "s3": "rest-xml",
        "kms": "json",
        "outcrop": "rest-json",
    }.get(service.name, "query")


def test_every_operation_is_in_its_model(operation: wire.Operation) -> None:
    assert wire.service(operation.service).operation(operation.name) is operation


def test_bedrocks_two_halves_are_told_apart_by_path_as_their_models_say() -> None:
    for name in ("bedrock", "bedrock-runtime"):
        for operation in wire.service(name).operation_names:
            http = wire.service(name).operation(operation).model.http
            found = wire.service_for("bedrock", http["method"], http["requestUri"], {})
            assert found is wire.service(name), operation


@pytest.mark.parametrize("name", ["s3", "iam", "sts", "kms", "outcrop"])
def test_a_signing_name_is_a_service(name: str) -> None:
    assert wire.service_for(name, "GET", "/", {}) is wire.service(name)


@pytest.mark.parametrize("name", ["", "ec2", "bedrock-runtime/", "S3"])
def test_an_unknown_signing_name_is_no_service(name: str) -> None:
    assert wire.service_for(name, "GET", "/", {}) is None


@pytest.mark.parametrize(
    ("method", "path", "headers", "name"),
    [
        ("GET", "/custom-models", {}, "bedrock"),
        ("POST", "/model/amazon.nova-lite-v1%3A0/invoke", {}, "bedrock-runtime"),
        ("POST", "/", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, "sts"),
        ("POST", "/", {"x-amz-target": "TrentService.ListKeys"}, "kms"),
        ("GET", "/a-bucket/a-key", {}, "s3"),
        ("GET", "/%zz", {}, "s3"),
    ],
)
def test_what_is_not_signed_at_all_gets_the_dialect_of_its_path(
    method: str, path: str, headers: dict[str, str], name: str
) -> None:
    assert wire.service_for(None, method, path, headers) is wire.service(name)


def test_services_that_do_not_exist_are_mistakes() -> None:
    with pytest.raises(KeyError):
        wire.service("ec2")
    with pytest.raises(KeyError):
        wire.service("sts").operation("ListBuckets")


@pytest.mark.parametrize(
    ("asked", "name", "member"),
    [
        ("s3", "PutObject", "Body"),
        ("s3", "UploadPart", "Body"),
        ("s3", "CopyObject", None),
        ("bedrock-runtime", "InvokeModel", None),
    ],
)
def test_only_objects_bodies_are_streamed_in(asked: str, name: str, member: str | None) -> None:
    assert wire.service(asked).operation(name).streams_in == member


@pytest.mark.parametrize(
    ("asked", "name", "streams"),
    [
        ("s3", "GetObject", True),
        ("bedrock-runtime", "ConverseStream", True),
        ("bedrock-runtime", "InvokeModelWithResponseStream", True),
        ("bedrock-runtime", "InvokeModel", False),
        ("s3", "HeadObject", False),
    ],
)
def test_objects_and_events_are_streamed_out(asked: str, name: str, streams: bool) -> None:
    assert wire.service(asked).operation(name).streams_out is streams


def test_only_forms_are_read_to_find_the_operation(service: wire.Service) -> None:
    assert service.match_needs_body is (service.name in ("iam", "sts"))


_MEASURE = """
import psutil
from outcrop import wire
for name in wire.NAMES:
    service = wire.service(name)
    service.match("GET", "/", (), {}, b"")
    for operation in sorted(service.operation_names)[:40]:
        compiled = service.operation(operation)
        compiled.parse, compiled.constrain, compiled.serialize
print(psutil.Process().memory_info().rss // 2**20)
"""


def test_all_models_and_many_operations_stay_small() -> None:
    """The whole server idles under 150 MB: the wire's share, interpreter included, is at most half."""
    done = subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 75


def test_importing_the_wire_reads_no_model() -> None:
    script = "import sys; from outcrop import wire; wire.service('s3'); print('model' in wire.service('s3').__dict__)"
    done: Any = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
