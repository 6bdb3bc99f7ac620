"""What our serializer writes is what botocore reads, for every operation served."""

from collections.abc import AsyncIterator
from typing import Any

from outcrop import wire


async def _events(events: list[tuple[str, dict[str, Any]]]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for event in events:
        yield event


def _stream_member(operation: wire.Operation) -> str | None:
    shape = operation.model.output_shape
    members = {} if shape is None else shape.members
    return next((key for key, member in members.items() if member.serialization.get("eventstream")), None)


def _as_answered(operation: wire.Operation, result: dict[str, Any], events: list[Any] | None) -> dict[str, Any]:
    member = _stream_member(operation)
    return result if member is None else {**result, member: _events(events or [])}


_BOTOCORE_ADDS = {"ContentLength", "ExpiresString", "ResponseMetadata"}


def _without_additions(answer: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The answer without what botocore makes up: lengths, and empty payloads."""
    read = {key: value.read() if hasattr(value, "read") else value for key, value in answer.items()}
    return {k: v for k, v in read.items() if k in result or (v not in (None, {}, b"", "") and k not in _BOTOCORE_ADDS)}


def test_what_we_answer_is_parsed_to_the_same_result(
    operation: wire.Operation, line_to: Any, make_examples: Any, varied: Any
) -> None:
    for result in varied(lambda examples: examples.result(operation)):
        member = _stream_member(operation)
        response = wire.serialize(operation, _as_answered(operation, result, []), "a-request-id")
        arguments = make_examples(full=False).arguments(operation)
        answer = line_to(operation.service).call(operation, arguments, response)
        assert answer["ResponseMetadata"]["RequestId"] == "a-request-id"
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == response.status
        expected = {key: value for key, value in result.items() if key != member}
        answer.pop(member, None)
        assert _without_additions(answer, expected) == expected


def test_headers_beyond_the_model_are_sent_and_cannot_begin_another() -> None:
    operation = wire.service("bedrock-runtime").operation("CountTokens")
    extra = {"x-outcrop-model": "one line\r\nx-evil: two"}
    response = wire.serialize(operation, {"inputTokens": 3, "ResponseHeaders": extra}, "a-request-id")
    assert dict(response.headers)[b"x-outcrop-model"] == b"one line  x-evil: two"
    assert response.body == b'{"inputTokens":3}'
