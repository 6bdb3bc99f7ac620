"""Completions and chat completions: the same way to an engine as Converse. Knows no family by name."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from outcrop.families import Ask
from outcrop.services.api_keys import INVOKE, INVOKE_STREAMED, authorize_invocation
from outcrop.services.call import Call
from outcrop.services.openai.asking import chat_ask, raw_ask
from outcrop.services.openai.bodies import Asked, ChatAsked, CompletionAsked, read
from outcrop.services.openai.places import in_the_models_region
from outcrop.services.openai.replies import ChatReply, Reply, TextReply, usage
from outcrop.services.runtime.exchange import Stopwatch, Streamed, ask_streamed, ask_whole
from outcrop.services.runtime.invoke import model_header, usage_headers
from outcrop.services.runtime.served import Served, find_served


async def create_chat_completion(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The assistant's next turn."""
    asked = read(request, ChatAsked)
    call, served = await _invoked(call, asked)
    return await _unless_turned_away(call, served, chat_ask(asked, served.model.context_tokens), asked)


async def create_completion(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """What follows a raw prompt."""
    asked = read(request, CompletionAsked)
    call, served = await _invoked(call, asked)
    return await _unless_turned_away(call, served, raw_ask(asked, served.model.context_tokens), asked)


async def _invoked(call: Call, asked: Asked) -> tuple[Call, Served]:
    """The model that is asked, once policies have allowed it."""
    placed = in_the_models_region(call, asked.model)
    return placed, await asyncio.to_thread(_allowed, placed, asked)


def _allowed(call: Call, asked: Asked) -> Served:
    authorize_invocation(call, asked.model, INVOKE_STREAMED if asked.stream else INVOKE)
    return find_served(call, asked.model)


async def _unless_turned_away(call: Call, served: Served, ask: Ask, asked: Asked) -> dict[str, Any]:
    async with call.at_the_door_of(asked.model):
        return await _answered(call, served, ask, asked)


async def _answered(call: Call, served: Served, ask: Ask, asked: Asked) -> dict[str, Any]:
    watch, reply = Stopwatch(), _reply(call, asked)
    if asked.stream:
        streamed = await ask_streamed(call, served, ask, watch)
        return {"stream": _chunks(streamed, reply, asked.includes_usage), "headers": model_header(served)}
    answer = await ask_whole(call, served, ask)
    headers = {**usage_headers(answer, watch.elapsed_ms()), **model_header(served)}
    return {"body": reply.whole(answer), "headers": headers}


def _reply(call: Call, asked: Asked) -> Reply:
    kind = ChatReply if isinstance(asked, ChatAsked) else TextReply
    return kind(id=kind.PREFIX + call.request_id, created=int(call.at.timestamp()), model=asked.model)


async def _chunks(streamed: Streamed, reply: Reply, includes_usage: bool) -> AsyncGenerator[dict[str, Any], None]:
    """Text as it comes. Where the usage was asked for, the last chunk says it, and all others that it is still open."""
    open_usage: dict[str, Any] = {"usage": None} if includes_usage else {}
    for choice in reply.opening():
        yield {**reply.chunk([choice]), **open_usage}
    async with aclosing(streamed.pieces()) as pieces:
        async for piece in pieces:
            if piece.text or _says(piece.logprobs):
                yield {**reply.chunk([reply.text(piece.text, piece.logprobs)]), **open_usage}
    assert streamed.answer is not None
    yield {**reply.chunk([reply.ending(streamed.answer)]), **open_usage}
    if includes_usage:
        yield {**reply.chunk([]), "usage": usage(streamed.answer)}


def _says(logprobs: Any) -> bool:
    """Whether they are of any token: the last piece's are of none."""
    return bool(logprobs and (logprobs.get("content") or logprobs.get("tokens")))
