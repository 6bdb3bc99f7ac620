"""InvokeModel and InvokeModelWithResponseStream: a family's own bodies. Knows no family by name."""

import json
from collections.abc import AsyncIterator
from typing import Any

from outcrop.domain.errors import ValidationException
from outcrop.families import Answer, Ask, StreamDialect
from outcrop.services.call import Call
from outcrop.services.runtime.exchange import Stopwatch, Streamed, ask_streamed, ask_whole
from outcrop.services.runtime.refusals import refuse_what_is_not_served
from outcrop.services.runtime.served import Served, find_soon

JSON = "application/json"
ANY = ("", "*/*", "application/*", JSON)


async def invoke_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The model's answer in its family's dialect, in one piece."""
    watch = Stopwatch()
    served, ask = await _asked(call, request)
    async with call.at_the_door_of(request["modelId"]):
        answer = await ask_whole(call, served, ask)
    body = served.family.answer(answer, served.model, call.ground.new_id())
    headers = {**usage_headers(answer, watch.elapsed_ms()), **model_header(served)}
    return {"body": _encoded(body), "contentType": JSON, "ResponseHeaders": headers}


async def invoke_model_with_response_stream(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The same, in chunks as they come."""
    watch = Stopwatch()
    served, ask = await _asked(call, request)
    async with call.at_the_door_of(request["modelId"]):
        streamed = await ask_streamed(call, served, ask, watch)
    dialect = served.family.stream(served.model, call.ground.new_id())
    return {"body": _chunks(streamed, dialect, watch), "contentType": JSON, "ResponseHeaders": model_header(served)}


def parse_body(body: bytes, served: Served) -> Ask:
    """What a family's body asks. Raises ValidationException."""
    try:
        members = json.loads(body)
    except ValueError as error:
        raise ValidationException("Malformed input request: the body is not JSON in UTF-8.") from error
    except RecursionError as error:
        raise ValidationException("Malformed input request: the body is nested too deeply.") from error
    return served.family.parse_invoke(members, served.model)


def usage_headers(answer: Answer, latency_ms: int) -> dict[str, str]:
    """What a call cost, as Bedrock's headers say it."""
    return {
        "x-amzn-bedrock-invocation-latency": str(latency_ms),
        "x-amzn-bedrock-input-token-count": str(answer.input_tokens),
        "x-amzn-bedrock-output-token-count": str(answer.output_tokens),
    }


def model_header(served: Served) -> dict[str, str]:
    """What answered, said plainly."""
    return {"x-outcrop-model": served.sentence}


async def _asked(call: Call, request: dict[str, Any]) -> tuple[Served, Ask]:
    refuse_what_is_not_served(request)
    _check_types(request)
    served = await find_soon(call, request["modelId"])
    return served, parse_body(request.get("body") or b"", served)


def _check_types(request: dict[str, Any]) -> None:
    for member in ("contentType", "accept"):
        asked = (request.get(member) or "").partition(";")[0].strip().lower()
        if asked not in ANY:
            raise ValidationException(f"Malformed input request: {member} must be {JSON}; {asked[:64]} was sent.")


async def _chunks(
    streamed: Streamed, dialect: StreamDialect, watch: Stopwatch
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    for chunk in dialect.start(streamed.input_tokens):
        yield _chunk(chunk)
    async for text, output_tokens in streamed.texts():
        for chunk in dialect.delta(text, output_tokens):
            yield _chunk(chunk)
    assert streamed.answer is not None
    for chunk in dialect.end(streamed.answer, _metrics(streamed, streamed.answer, watch)):
        yield _chunk(chunk)


def _metrics(streamed: Streamed, answer: Answer, watch: Stopwatch) -> dict[str, int]:
    return {
        "inputTokenCount": answer.input_tokens,
        "outputTokenCount": answer.output_tokens,
        "invocationLatency": watch.elapsed_ms(),
        "firstByteLatency": streamed.first_byte_ms,
    }


def _chunk(body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "chunk", {"bytes": _encoded(body)}


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
