"""Talks to one engine in the engine dialect. Knows nothing of Bedrock's bodies, nor of who starts engines.

One pooled client a socket and event loop. What an engine says in HTTP becomes a Fault here, once.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import httpx

from outcrop.domain.errors import (
    Fault,
    ModelErrorException,
    ModelNotReadyException,
    ModelStreamErrorException,
    ModelTimeoutException,
    OutcropError,
    ThrottlingException,
    ValidationException,
)

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 300.0  # longest silence: the prompt's work, or a whole answer that is not streamed
Finish = Literal["stop", "length"]


class EngineAway(OutcropError):
    """Nobody listens on the engine's socket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of an answer, or all of it. Counts are those so far; `finish` is set on the last one.

    `logprobs`: of its own tokens, as OpenAI's dialect says them; None where they were not asked for.
    """

    text: str
    input_tokens: int
    output_tokens: int
    finish: Finish | None
    stop_string: str | None
    logprobs: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One body for the engine, at `/v1/completions` or `/v1/chat/completions`."""

    path: str
    body: dict[str, Any]


class EngineClient:
    """The engine behind one socket."""

    def __init__(self, socket: Path, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                uds=str(socket), limits=httpx.Limits(max_connections=None, max_keepalive_connections=64)
            ),
            base_url="http://engine",
            timeout=httpx.Timeout(answer_timeout_s, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )

    async def answer(self, question: Question) -> Piece:
        """The whole answer. Raises EngineAway, or a Fault."""
        said = await self._post(question.path, question.body)
        return _piece(said)

    async def count(self, body: dict[str, Any]) -> int:
        """How many tokens a prompt or a conversation is. Raises EngineAway, or a Fault."""
        return int((await self._post("/tokenize", body))["count"])

    async def stream(self, question: Question) -> AsyncGenerator[Piece, None]:
        """Pieces as they come. Raises EngineAway or a Fault before the first, ModelStreamErrorException after it."""
        options = {"include_usage": True, "continuous_usage_stats": True}
        body = {**question.body, "stream": True, "stream_options": options}
        begun = False
        try:
            async with self._client.stream("POST", question.path, json=body) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise _refusal(response)
                async for event in _events(response.aiter_bytes()):
                    piece = _streamed_piece(event)
                    if piece is not None:
                        yield piece
                        begun = True
        except (httpx.TransportError, ModelErrorException) as error:
            raise _broken_off(error) if begun else _failure(error) from error

    async def close(self) -> None:
        """Give every connection back."""
        await self._client.aclose()

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = await self._client.post(path, json=body)
        except httpx.TransportError as error:
            raise _failure(error) from error
        if response.status_code != 200:
            raise _refusal(response)
        said: dict[str, Any] = response.json()
        return said


_CLIENTS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, EngineClient]] = WeakKeyDictionary()


def client_for(socket: Path) -> EngineClient:
    """The running loop's client for a socket."""
    clients = _CLIENTS.setdefault(asyncio.get_running_loop(), {})
    if socket not in clients:
        clients[socket] = EngineClient(socket)
    return clients[socket]


async def close_clients() -> None:
    """Close the running loop's clients: when a server ends."""
    for client in _CLIENTS.pop(asyncio.get_running_loop(), {}).values():
        await client.close()


async def _events(chunks: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The objects of server-sent events, wherever the chunks break."""
    rest = b""
    async for chunk in chunks:
        *events, rest = (rest + chunk).split(b"\n\n")
        for event in events:
            data = event.removeprefix(b"data: ")
            if data != b"[DONE]":
                yield json.loads(data)


def _streamed_piece(event: dict[str, Any]) -> Piece | None:
    """None for the event that only repeats the usage."""
    if "error" in event:
        raise ModelErrorException(str(event["error"]["message"]), originalStatusCode=500)
    return _piece(event) if event["choices"] else None


def _piece(said: dict[str, Any]) -> Piece:
    choice, usage = said["choices"][0], said["usage"]
    message = choice.get("message") or choice.get("delta")
    return Piece(
        text=(choice["text"] if message is None else message.get("content")) or "",
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        finish=choice["finish_reason"],
        stop_string=choice["stop_reason"] if isinstance(choice.get("stop_reason"), str) else None,
        logprobs=choice.get("logprobs"),
    )


def _refusal(response: httpx.Response) -> Fault:
    """What an engine's status means to a caller."""
    sentence = _sentence(response)
    match response.status_code:
        case 404:
            return ModelNotReadyException("The model is being loaded. Try again in a few seconds.")
        case 429:
            return _throttled(sentence, response.headers.get("retry-after", ""))
        case 400:
            return ValidationException(f"The model cannot answer this: {sentence}")
        case status:
            return ModelErrorException(sentence, originalStatusCode=status)


def _throttled(sentence: str, retry_after: str) -> ThrottlingException:
    fault = ThrottlingException(sentence)
    fault.retry_after_s = int(retry_after) if retry_after.isdecimal() else None
    return fault


def _failure(error: Exception) -> OutcropError:
    """What a failure before the first byte means."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return EngineAway("The engine does not answer.")
        case httpx.TimeoutException():
            return ModelTimeoutException("The model did not answer in time.")
        case Fault():
            return error
        case _:
            return ModelErrorException("The engine broke off before it answered.", originalStatusCode=500)


def _broken_off(error: Exception) -> ModelStreamErrorException:
    said = error.message if isinstance(error, Fault) else f"the connection failed ({type(error).__name__})"
    return ModelStreamErrorException(
        "The model stopped in the middle of its answer.", originalStatusCode=500, originalMessage=said
    )


def _sentence(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The engine answered {response.status_code}."
