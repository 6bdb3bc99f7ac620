"""Converse and ConverseStream: one dialect for every family. Knows no family by name."""

from collections.abc import AsyncIterator
from typing import Any

from outcrop.families import Answer, Ask
from outcrop.services.call import Call
from outcrop.services.runtime.converse_request import parse_converse
from outcrop.services.runtime.exchange import Stopwatch, Streamed, ask_streamed, ask_whole
from outcrop.services.runtime.invoke import model_header, usage_headers
from outcrop.services.runtime.pointers import check_pointers, pointed
from outcrop.services.runtime.refusals import refuse_what_is_not_served
from outcrop.services.runtime.served import Served, find_soon

Event = tuple[str, dict[str, Any]]


async def converse(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The assistant's next turn."""
    watch = Stopwatch()
    served, ask = await _asked(call, request)
    async with call.at_the_door_of(request["modelId"]):
        answer = await ask_whole(call, served, ask)
    headers = {**usage_headers(answer, watch.elapsed_ms()), **model_header(served)}
    return {**answered(served, answer, request, watch.elapsed_ms()), "ResponseHeaders": headers}


async def converse_stream(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The assistant's next turn, as it comes."""
    watch = Stopwatch()
    served, ask = await _asked(call, request)
    async with call.at_the_door_of(request["modelId"]):
        streamed = await ask_streamed(call, served, ask, watch)
    return {"stream": _events(streamed, served, request, watch), "ResponseHeaders": model_header(served)}


def refuse_what_cannot_be_answered(request: dict[str, Any]) -> None:
    """What is wrong with a request whatever model it is for. Raises ValidationException."""
    refuse_what_is_not_served(request)
    check_pointers(request.get("additionalModelResponseFieldPaths") or [])


def asked(served: Served, request: dict[str, Any]) -> Ask:
    """What a request asks of a model. Raises ValidationException."""
    return parse_converse(request, served.family.name, served.model.context_tokens)


def answered(served: Served, answer: Answer, request: dict[str, Any], latency_ms: int) -> dict[str, Any]:
    """The members of Converse's answer."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": answer.text}]}},
        **_ending(served, answer, request),
        "usage": _usage(answer),
        "metrics": {"latencyMs": latency_ms},
    }


async def _asked(call: Call, request: dict[str, Any]) -> tuple[Served, Ask]:
    refuse_what_cannot_be_answered(request)
    served = await find_soon(call, request["modelId"])
    return served, asked(served, request)


async def _events(
    streamed: Streamed, served: Served, request: dict[str, Any], watch: Stopwatch
) -> AsyncIterator[Event]:
    yield "messageStart", {"role": "assistant"}
    async for text, _ in streamed.texts():
        yield "contentBlockDelta", {"delta": {"text": text}, "contentBlockIndex": 0}
    answer = streamed.answer
    assert answer is not None
    yield "contentBlockStop", {"contentBlockIndex": 0}
    yield "messageStop", _ending(served, answer, request)
    yield "metadata", {"usage": _usage(answer), "metrics": {"latencyMs": watch.elapsed_ms()}}


def _ending(served: Served, answer: Answer, request: dict[str, Any]) -> dict[str, Any]:
    """Why it stopped, and the members of the family's own body that were asked for by JSON pointer."""
    ending: dict[str, Any] = {"stopReason": answer.stop}
    paths = request.get("additionalModelResponseFieldPaths") or []
    found = pointed(served.family.answer(answer, served.model, ""), paths) if paths else {}
    return {**ending, "additionalModelResponseFields": found} if found else ending


def _usage(answer: Answer) -> dict[str, int]:
    total = answer.input_tokens + answer.output_tokens
    return {"inputTokens": answer.input_tokens, "outputTokens": answer.output_tokens, "totalTokens": total}
