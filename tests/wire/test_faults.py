"""Every fault is the typed exception that botocore's clients catch, in each service's own dialect."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from outcrop import wire
from outcrop.domain.errors import (
    AccessDeniedException,
    Fault,
    NotServed,
    ResourceNotFoundException,
    ThrottlingException,
    ValidationException,
)

_PLAIN = {
    "bedrock": "ListCustomModels",
    "bedrock-runtime": "Converse",
    "s3": "GetBucketTagging",
    "iam": "ListUsers",
    "sts": "GetCallerIdentity",
    "kms": "ListKeys",
    "outcrop": "GetThroughput",
}


def _caught(line_to: Any, make_examples: Any, service: wire.Service, error: Fault) -> ClientError:
    operation = service.operation(_PLAIN[service.name])
    response = wire.fault(service, operation, error, "a-request-id")
    line = line_to(service.name)
    with pytest.raises(ClientError) as caught:
        line.call(operation, make_examples(full=False).arguments(operation), response)
    return caught.value


def _extra_members(shape: Any, make_examples: Any) -> dict[str, Any]:
    return {k: v for k, v in make_examples().value(shape).items() if k.lower() not in ("message", "code")}


def test_every_modelled_error_is_raised_typed_with_its_status_and_extra_members(
    service: wire.Service, line_to: Any, make_examples: Any
) -> None:
    for shape in service.model.error_shapes:
        extra = _extra_members(shape, make_examples)
        error = _caught(line_to, make_examples, service, Fault(shape.error_code, "What & why <é>.", **extra))
        assert type(error) is getattr(line_to(service.name).client.exceptions, shape.name)
        assert error.response["Error"]["Code"] == shape.error_code
        assert error.response["Error"]["Message"] == "What & why <é>."
        stated = shape.metadata.get("error", {}).get("httpStatusCode")
        assert stated in (None, error.response["ResponseMetadata"]["HTTPStatusCode"])
        # botocore gives extra members at the top; in S3's flat documents it finds them there too.
        assert {k: error.response.get(k) for k in extra} == extra


@pytest.mark.parametrize(
    ("service_name", "error", "code", "status"),
    [
        ("bedrock", ValidationException("x"), "ValidationException", 400),
        ("kms", ValidationException("x"), "ValidationException", 400),
        ("iam", ValidationException("x"), "ValidationError", 400),
        ("s3", ValidationException("x"), "InvalidArgument", 400),
        ("bedrock", AccessDeniedException("x"), "AccessDeniedException", 403),
        ("kms", AccessDeniedException("x"), "AccessDeniedException", 403),
        ("sts", AccessDeniedException("x"), "AccessDenied", 403),
        ("s3", AccessDeniedException("x"), "AccessDenied", 403),
        ("bedrock", ThrottlingException("x"), "ThrottlingException", 429),
        ("s3", ThrottlingException("x"), "SlowDown", 503),
        ("iam", ResourceNotFoundException("x"), "NoSuchEntity", 404),
        ("kms", ResourceNotFoundException("x"), "NotFoundException", 400),
        ("bedrock", Fault("InternalServerException", "x"), "InternalServerException", 500),
        ("s3", Fault("InternalServerException", "x"), "InternalError", 500),
        ("kms", Fault("InternalServerException", "x"), "KMSInternalException", 500),
        ("s3", Fault("NoSuchKey", "x", Key="a&b"), "NoSuchKey", 404),
        ("s3", Fault("NoSuchWebsiteConfiguration", "x"), "NoSuchWebsiteConfiguration", 404),
        ("s3", Fault("ObjectLockConfigurationNotFoundError", "x"), "ObjectLockConfigurationNotFoundError", 404),
        ("s3", Fault("ReplicationConfigurationNotFoundError", "x"), "ReplicationConfigurationNotFoundError", 404),
        ("s3", Fault("BucketNotEmpty", "x"), "BucketNotEmpty", 409),
        ("s3", Fault("BucketAlreadyExists", "x"), "BucketAlreadyExists", 409),
        ("s3", Fault("PreconditionFailed", "x"), "PreconditionFailed", 412),
        ("s3", Fault("InvalidRange", "x"), "InvalidRange", 416),
        ("s3", Fault("MalformedXML", "x"), "MalformedXML", 400),
        ("s3", Fault("SignatureDoesNotMatch", "x"), "SignatureDoesNotMatch", 403),
        ("bedrock", Fault("UnrecognizedClientException", "x"), "UnrecognizedClientException", 403),
    ],
)
def test_common_codes_speak_each_services_words(
    service_name: str, error: Fault, code: str, status: int, line_to: Any, make_examples: Any
) -> None:
    caught = _caught(line_to, make_examples, wire.service(service_name), error)
    assert caught.response["Error"]["Code"] == code
    assert caught.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.response["ResponseMetadata"]["RequestId"] == "a-request-id"


def test_what_is_not_served_says_so_in_every_dialect(service: wire.Service, line_to: Any, make_examples: Any) -> None:
    caught = _caught(line_to, make_examples, service, NotServed(service.name, "DoMagic"))
    assert caught.response["Error"]["Code"] == "NotImplemented"
    assert "DoMagic" in caught.response["Error"]["Message"]
    assert caught.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_s3s_answer_to_head_has_no_body_and_the_client_sees_the_status(line_to: Any) -> None:
    service = wire.service("s3")
    operation = service.operation("HeadObject")
    response = wire.fault(service, operation, Fault("NoSuchKey", "x"), "r")
    assert (response.status, response.body) == (404, b"")
    with pytest.raises(ClientError) as caught:
        line_to("s3").call(operation, {"Bucket": "a-bucket", "Key": "k"}, response)
    assert caught.value.response["Error"]["Code"] == "404"


def test_not_modified_has_neither_body_nor_length() -> None:
    service = wire.service("s3")
    response = wire.fault(service, service.operation("GetObject"), Fault("NotModified", "x", ETag='"abc"'), "r")
    assert (response.status, response.body) == (304, b"")
    assert (b"etag", b'"abc"') in response.headers
    assert not any(name == b"content-length" for name, _ in response.headers)


def test_an_invalid_range_tells_the_objects_size() -> None:
    service = wire.service("s3")
    response = wire.fault(service, service.operation("GetObject"), Fault("InvalidRange", "x", ActualObjectSize=7), "r")
    assert b"<ActualObjectSize>7</ActualObjectSize>" in response.body  # type: ignore[operator]  # bytes, not a stream
    assert (b"content-range", b"bytes */7") in response.headers


def test_without_a_service_the_answer_is_rest_json() -> None:
    response = wire.fault(None, None, Fault("UnrecognizedClientException", "who?"), "r")
    assert response.status == 403
    assert (b"x-amzn-errortype", b"UnrecognizedClientException") in response.headers
    assert response.body == b'{"message":"who?"}'


def test_nothing_in_a_fault_can_begin_a_header_or_an_element() -> None:
    response = wire.fault(None, None, Fault("Bad\r\nset-cookie: x", "x"), "r")
    assert all(b"\r" not in value and b"\n" not in value for _, value in response.headers)
    service = wire.service("s3")
    document = wire.fault(service, None, Fault("NoSuchKey", "x", Key="<Code>\x00</Code>"), "r").body
    assert b"<Key>&lt;Code&gt;\xef\xbf\xbd&lt;/Code&gt;</Key>" in document  # type: ignore[operator]


def test_a_fault_in_mid_stream_ends_the_stream_with_its_exception_frame(line_to: Any, make_examples: Any) -> None:
    service = wire.service("bedrock-runtime")
    operation = service.operation("ConverseStream")

    async def events() -> Any:
        yield "messageStart", {"role": "assistant"}
        raise Fault("ModelStreamErrorException", "The engine fell.", originalStatusCode=500)

    response = wire.serialize(operation, {"stream": events()}, "r")
    answer = line_to("bedrock-runtime").call(operation, {"modelId": "amazon.nova-lite-v1:0"}, response)
    stream = iter(answer["stream"])
    assert next(stream) == {"messageStart": {"role": "assistant"}}
    with pytest.raises(EventStreamError, match="The engine fell") as caught:
        next(stream)
    assert caught.value.response["Error"]["Code"] == "modelStreamErrorException"
