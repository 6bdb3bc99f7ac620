"""Streams of events as botocore reads them: framed, typed, ended by an exception frame where something fails."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from botocore.exceptions import EventStreamError
from hypothesis import given
from hypothesis import strategies as st

from outcrop import wire
from outcrop.domain.errors import Fault, ThrottlingException
from outcrop.wire.event_stream import frame

_MODEL = {"modelId": "amazon.nova-lite-v1:0"}


def _union(operation: wire.Operation) -> tuple[str, Any]:
    members = operation.model.output_shape.members.items()
    return next((key, member) for key, member in members if member.serialization.get("eventstream"))


def _answer(line_to: Any, name: str, events: AsyncIterator[Any]) -> Any:
    operation = wire.service("bedrock-runtime").operation(name)
    key, _ = _union(operation)
    response = wire.serialize(
        operation, {key: events, **({"contentType": "application/json"} if key == "body" else {})}, "r"
    )
    assert (b"content-type", b"application/vnd.amazon.eventstream") in response.headers
    body = {"body": b"{}"} if name.startswith("Invoke") else {}
    return line_to("bedrock-runtime").call(operation, {**_MODEL, **body}, response)


@pytest.mark.parametrize("name", ["ConverseStream", "InvokeModelWithResponseStream"])
def test_every_event_of_the_model_is_read_back(name: str, line_to: Any, make_examples: Any) -> None:
    key, union = _union(wire.service("bedrock-runtime").operation(name))
    sent = [
        {event: make_examples(turn=turn).value(shape)}
        for event, shape in union.members.items()
        if not shape.metadata.get("exception")
        for turn in range(4)
    ]

    async def events() -> AsyncIterator[Any]:
        for event in sent:
            yield next(iter(event.items()))

    answer = _answer(line_to, name, events())
    assert list(answer[key]) == sent


def test_chunks_are_base64_in_json_and_say_their_content_type(line_to: Any) -> None:
    async def events() -> AsyncIterator[Any]:
        yield "chunk", {"bytes": b'{"outputText":"hi"}'}

    answer = _answer(line_to, "InvokeModelWithResponseStream", events())
    assert answer["contentType"] == "application/json"
    assert list(answer["body"]) == [{"chunk": {"bytes": b'{"outputText":"hi"}'}}]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ThrottlingException("Slower."), "throttlingException"),
        (
            Fault("ModelStreamErrorException", "Fell.", originalStatusCode=500, unmodelled=1),
            "modelStreamErrorException",
        ),
        (Fault("SomethingElse", "Odd."), "internalServerException"),
    ],
)
def test_a_fault_after_the_first_byte_is_an_exception_frame(error: Fault, code: str, line_to: Any) -> None:
    async def events() -> AsyncIterator[Any]:
        yield "messageStart", {"role": "assistant"}
        raise error

    stream = iter(_answer(line_to, "ConverseStream", events())["stream"])
    assert next(stream) == {"messageStart": {"role": "assistant"}}
    with pytest.raises(EventStreamError) as caught:
        next(stream)
    assert caught.value.response["Error"] == {"Code": code, "Message": error.message}


def test_a_mistake_of_ours_reaches_the_client_as_a_frame_and_the_server_as_itself() -> None:
    async def events() -> AsyncIterator[Any]:
        raise ZeroDivisionError
        yield

    operation = wire.service("bedrock-runtime").operation("ConverseStream")
    response = wire.serialize(operation, {"stream": events()}, "r")
    frames = []

    async def drain() -> None:
        async for piece in response.body:
            frames.append(piece)  # noqa: PERF401  # what came before the end counts

    with pytest.raises(ZeroDivisionError):
        asyncio.run(drain())
    assert b"internalServerException" in frames[-1]
    assert b"ZeroDivision" not in frames[-1]


@given(
    st.dictionaries(st.text(st.characters(codec="ascii"), min_size=1, max_size=20), st.text(max_size=20), max_size=4),
    st.binary(max_size=200),
)
def test_a_frame_is_read_back_with_both_checksums_true(headers: dict[str, str], payload: bytes) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(frame(headers, payload))
    (message,) = list(buffer)
    assert (message.headers, message.payload) == (headers, payload)
