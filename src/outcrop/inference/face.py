"""The one HTTP face of the engine wing: routes, statuses, streams. Knows nothing of tensors or of Bedrock."""

import asyncio
import contextlib
import logging
import math
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from outcrop.domain.errors import CheckpointError, OutcropError
from outcrop.inference import dialect
from outcrop.inference.asking import Broken, Progress
from outcrop.inference.desk import Answering
from outcrop.inference.dialect import ChatAsked, CompletionAsked, Reply
from outcrop.inference.prompts import Prompts
from outcrop.inference.scheduler import Answer, Limits
from outcrop.inference.shares import Shares
from outcrop.inference.shelf import ModelsAway, NamedModels
from outcrop.inference.writer import TextWriter

Body = TypeVar("Body")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the face stands before."""

    desk: Answering
    models: NamedModels
    prompts: Prompts
    limits: Limits
    shares: Shares


def create_app(parts: Parts) -> Starlette:
    """The engine's application."""
    face = Face(parts)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        parts.desk.open()
        yield
        await parts.desk.close()

    return Starlette(
        routes=[
            Route("/health", face.health),
            Route("/v1/models", face.models),
            Route("/v1/completions", face.completions, methods=["POST"]),
            Route("/v1/chat/completions", face.chat, methods=["POST"]),
            Route("/tokenize", face.tokenize, methods=["POST"]),
            Route("/v1/load_lora_adapter", face.load, methods=["POST"]),
            Route("/v1/unload_lora_adapter", face.unload, methods=["POST"]),
            Route("/outcrop/throughput", face.throughput, methods=["GET"]),
            Route("/outcrop/throughput", face.sell, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _refuse, Exception: _break},
        lifespan=lifespan,
    )


class Face:
    """One method a route."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def health(self, _: Request) -> Response:
        """Answers only when everything is loaded: the socket opens after that."""
        return _json({"answers": self._parts.desk.open_answers})

    async def models(self, _: Request) -> Response:
        """Names that can be asked for."""
        longest = self._parts.limits.context_tokens
        data = [{"id": name, "object": "model", "max_model_len": longest} for name in self._parts.models.names()]
        return _json({"object": "list", "data": data})

    async def completions(self, request: Request) -> Response:
        """A raw prompt goes on."""
        asked = await _read(request, CompletionAsked)
        return await self._answer(request, asked, lambda: self._parts.prompts.raw(asked.prompt))

    async def chat(self, request: Request) -> Response:
        """A conversation is answered."""
        asked = await _read(request, ChatAsked)
        return await self._answer(request, asked, lambda: self._parts.prompts.chat(asked))

    async def tokenize(self, request: Request) -> Response:
        """The tokens that a prompt or a conversation would be."""
        asked = await _read(request, dialect.TokenizeAsked)
        tokens = await _encoded(lambda: self._parts.prompts.tokenized(asked))
        longest = self._parts.limits.context_tokens
        return _json({"count": len(tokens), "tokens": tokens, "max_model_len": longest})

    async def load(self, request: Request) -> Response:
        """Load or replace a model beside the answers under way."""
        asked = await _read(request, dialect.LoadAsked)
        try:
            await asyncio.to_thread(self._parts.models.load, asked.lora_name, Path(asked.lora_path))
        except ModelsAway as away:
            raise HTTPException(503, str(away)) from away
        except OutcropError as error:
            raise HTTPException(400, str(error)) from error
        return _json({"loaded": asked.lora_name})

    async def unload(self, request: Request) -> Response:
        """Forget a model; its answers under way end as they would have."""
        asked = await _read(request, dialect.UnloadAsked)
        if not await asyncio.to_thread(self._parts.models.unload, asked.lora_name):
            raise HTTPException(404, f"The model {asked.lora_name!r} is not loaded.")
        return _json({"unloaded": asked.lora_name})

    async def throughput(self, _: Request) -> Response:
        """What this machine does for this base, and what became of who bought a share of it."""
        shares = self._parts.shares
        return _json({"capacity": asdict(shares.capacity), "buyers": shares.report()})

    async def sell(self, request: Request) -> Response:
        """From now on these have bought so much."""
        asked = await _read(request, dialect.SharesAsked)
        self._parts.shares.sell(asked.units, asked.sold)
        return _json({"sold": asked.sold})

    async def _answer(
        self, request: Request, asked: CompletionAsked | ChatAsked, encode: Callable[[], list[int]]
    ) -> Response:
        if asked.stream and isinstance(asked, CompletionAsked) and asked.prompt_logprobs is not None:
            raise HTTPException(400, "prompt_logprobs is not said in a stream.")
        answer = await self._prepared(asked, encode)
        reply = Reply(asked, f"cmpl-{uuid.uuid4().hex}", int(time.time()), len(answer.prompt))
        pieces = self._parts.desk.ask(answer)
        if asked.stream:
            return StreamingResponse(_events(pieces, reply, asked.extras.include_usage), media_type="text/event-stream")
        return await _unless_hung_up(request, self._whole(pieces, reply, answer))

    async def _prepared(self, asked: CompletionAsked | ChatAsked, encode: Callable[[], list[int]]) -> Answer:
        model = self._parts.models.find(asked.model)
        if model is None:
            raise HTTPException(404, f"The model {asked.model!r} is not loaded.")
        prompt = await _encoded(encode)
        room = self._parts.limits.context_tokens - len(prompt)
        if room < 1 or not prompt:
            told = f"The prompt has {len(prompt)} tokens; it may have 1 to {len(prompt) + room - 1}."
            raise HTTPException(400, told)
        sampling = asked.sampling(room, secrets.randbits(63))
        writer = TextWriter(self._parts.prompts.stream(), sampling.stop)
        answer = Answer(prompt=prompt, sampling=sampling, model=model, writer=writer, buyer=asked.user)
        self._refuse_beyond_what_was_bought(answer)
        return answer

    def _refuse_beyond_what_was_bought(self, answer: Answer) -> None:
        wait_s = self._parts.shares.refused_for_s(answer)
        if wait_s is not None:
            # What Bedrock says, and for how long.
            told = "Too many tokens, please wait before trying again. "
            told += f"The model units that were bought have room for this request in {wait_s:.1f} s."
            raise HTTPException(429, told, {"retry-after": str(math.ceil(wait_s))})

    async def _whole(self, pieces: AsyncIterator[Progress | Broken], reply: Reply, answer: Answer) -> Response:
        texts: list[str] = []
        async with contextlib.aclosing(pieces) as heard:  # type: ignore[type-var]  # async generators close
            async for piece in heard:
                if isinstance(piece, Broken):
                    return _json(dialect.error(f"The engine failed: {piece.cause}.", "engine_error", 500), 500)
                texts.append(piece.text)
                if piece.finish is not None:
                    asked = answer.sampling.prompt_logprobs is not None
                    scores = await asyncio.to_thread(self._prompt_logprobs, answer) if asked else None
                    return _json(reply.whole("".join(texts), piece.finish, piece.output_tokens, scores))
        raise AssertionError("an answer ends with a finish")

    def _prompt_logprobs(self, answer: Answer) -> list[dict[str, dict[str, Any]] | None]:
        """In a thread: a long prompt has many, and streams must not wait."""
        return dialect.prompt_logprobs(answer.prompt_scores, self._parts.prompts.spelled)


async def _events(pieces: AsyncIterator[Progress | Broken], reply: Reply, wants_usage: bool) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(pieces) as heard:  # type: ignore[type-var]  # async generators close
        async for piece in heard:
            if isinstance(piece, Broken):
                yield dialect.to_event(dialect.error(f"The engine failed: {piece.cause}.", "engine_error", 500))
            elif piece.text or piece.finish is not None:
                yield dialect.to_event(reply.chunk(piece))
            if isinstance(piece, Progress) and piece.finish is not None and wants_usage:
                yield dialect.to_event(reply.last_chunk(piece.output_tokens))
    yield dialect.LAST_EVENT


async def _unless_hung_up(request: Request, work: Awaitable[Response]) -> Response:
    """The work's answer; when the client hangs up first, the work is cancelled and nobody reads what is returned."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())  # the body was read: all that can come is the hang-up
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else Response(status_code=499)
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _encoded(encode: Callable[[], list[int]]) -> list[int]:
    """In a thread: a long text takes long, and streams must not wait."""
    try:
        return await asyncio.to_thread(encode)
    except (CheckpointError, ValueError) as error:
        raise HTTPException(400, str(error)) from error


async def _read(request: Request, shape: type[Body]) -> Body:
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except msgspec.DecodeError as error:
        raise HTTPException(400, str(error)) from error


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(dialect.to_json(body), status, media_type="application/json")


KINDS = {404: "not_found_error", 429: "rate_limit_error", 503: "engine_error"}


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = KINDS.get(error.status_code, "invalid_request_error")
    answer = _json(dialect.error(error.detail, kind, error.status_code), error.status_code)
    answer.headers.update(error.headers or {})
    return answer


async def _break(_: Request, error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    return _json(dialect.error(f"The engine failed: {type(error).__name__}.", "engine_error", 500), 500)
