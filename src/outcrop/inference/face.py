"""The one HTTP face of the engine wing: routes, statuses, streams. Knows nothing of tensors or of Bedrock."""

import asyncio
import contextlib
import logging
import math
import secrets
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from outcrop.domain.errors import CheckpointError, OutcropError
from outcrop.inference import dialect
from outcrop.inference.asking import Broken, Progress
from outcrop.inference.desk import Answering
from outcrop.inference.dialect import ChatAsked, CompletionAsked, Reply
from outcrop.inference.logprobs import Logprobs, OfText, Spell, of_chat
from outcrop.inference.prefixes import Prefixes
from outcrop.inference.prompts import Prompts
from outcrop.inference.recalls import Recalls
from outcrop.inference.scheduler import Answer, Limits
from outcrop.inference.shares import Shares
from outcrop.inference.shelf import ModelsAway, NamedModels
from outcrop.inference.whole import Whole
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
    prefixes: Prefixes = field(default_factory=lambda: Prefixes(0))
    recalls: Recalls = field(default_factory=Recalls)


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
            Route("/outcrop/memory", face.memory, methods=["GET"]),
            Route("/outcrop/shelf", face.evict, methods=["POST"]),
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
        self._recalls = parts.recalls

    async def health(self, _: Request) -> Response:
        """Answers only when everything is loaded: the socket opens after that."""
        return _json({"answers": self._parts.desk.open_answers})

    async def models(self, _: Request) -> Response:
        """Names that can be asked for, each with the version of its weights and the memory that they take."""
        longest = self._parts.limits.context_tokens
        told = self._parts.models.shelf.report()
        data = [{**model, "object": "model", "max_model_len": longest} for model in told]
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
        self._recalls.arrived(asked.lora_name)
        return _json({"loaded": asked.lora_name})

    async def unload(self, request: Request) -> Response:
        """Forget a model; its answers under way end as they would have."""
        asked = await _read(request, dialect.UnloadAsked)
        if not await asyncio.to_thread(self._parts.models.shelf.remove, asked.lora_name):
            raise HTTPException(404, f"The model {asked.lora_name!r} is not loaded.")
        return _json({"unloaded": asked.lora_name})

    async def memory(self, _: Request) -> Response:
        """What custom models take and may take; what is kept of prompts, and how much was found there."""
        return _json({"models": self._parts.models.shelf.taken(), "prefixes": self._parts.prefixes.report()})

    async def evict(self, request: Request) -> Response:
        """From now on these may go where room is needed. Says which had to go, and which of them are asked for."""
        asked = await _read(request, dialect.EvictableAsked)
        shelf = self._parts.models.shelf
        shelf.may_evict(asked.evictable)
        return _json({"evicted": shelf.evicted(), "wanted": self._recalls.wanted()})

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
        if asked.stream and asked.whole_only is not None:
            raise HTTPException(400, f"{asked.whole_only} is not said in a stream.")
        answer = await self._prepared(asked, encode)
        said = _logprobs(asked, answer, self._parts.prompts.bytes_of)
        reply = Reply(asked, f"cmpl-{uuid.uuid4().hex}", int(time.time()), len(answer.prompt), said)
        self._admit(answer)
        pieces = self._parts.desk.ask(answer)
        if asked.stream:
            events = _events(pieces, reply, asked.extras.include_usage)
            return _Stream(events, lambda: self._parts.shares.close(answer))
        whole = Whole(asked, answer, self._parts.prompts, said)
        try:
            return await _unless_hung_up(request, _said_whole(pieces, reply, whole))
        finally:
            self._parts.shares.close(answer)  # whoever hung up before the desk was asked was here, too

    async def _prepared(self, asked: CompletionAsked | ChatAsked, encode: Callable[[], list[int]]) -> Answer:
        model = await self._model(asked.model)
        prompt = await _encoded(encode)
        room = self._parts.limits.context_tokens - len(prompt)
        if room < 1 or not prompt:
            told = f"The prompt has {len(prompt)} tokens; it may have 1 to {len(prompt) + room - 1}."
            raise HTTPException(400, told)
        try:
            sampling = asked.sampling(room, secrets.randbits(63))
        except ValueError as error:
            raise HTTPException(400, str(error)) from error
        writer = TextWriter(self._parts.prompts.stream(), sampling.stop)
        return Answer(
            prompt=prompt, sampling=sampling, model=model, writer=writer, buyer=asked.user, version=model.about.version
        )

    async def _model(self, name: str) -> Any:
        """The model of a name; one that had to make room is waited for."""
        shelf = self._parts.models.shelf
        model = shelf.find(name)
        if model is None:
            if name in shelf.evicted():
                await self._recalls.wait(name)
            model = shelf.find(name)  # where it is not evicted either, it may have come between the two looks
        if model is None:
            raise HTTPException(404, f"The model {name!r} is not loaded.")
        return model

    def _admit(self, answer: Answer) -> None:
        """Refuses what is beyond what was bought; else it is here until its share is closed."""
        wait_s = self._parts.shares.admit(answer)
        if wait_s is not None:
            # What Bedrock says, and for how long.
            told = "Too many tokens, please wait before trying again. "
            told += f"The model units that were bought have room for this request in {wait_s:.1f} s."
            raise HTTPException(429, told, {"retry-after": str(math.ceil(wait_s))})


def _logprobs(asked: CompletionAsked | ChatAsked, answer: Answer, spell: Spell) -> Logprobs | None:
    """How the answer's log-probabilities are said; None where they are not asked for."""
    likeliest = answer.sampling.logprobs
    if likeliest is None:
        return None
    return of_chat(spell, likeliest) if isinstance(asked, ChatAsked) else OfText(spell, likeliest)


async def _said_whole(pieces: AsyncGenerator[Progress | Broken, None], reply: Reply, whole: Whole) -> Response:
    async with contextlib.aclosing(pieces) as heard:
        async for piece in heard:
            if isinstance(piece, Broken):
                return _json(dialect.error(f"The engine failed: {piece.cause}.", "engine_error", 500), 500)
            whole.hear(piece)
            if piece.finish is not None:
                # In a thread where there are many of them: streams must not wait.
                extras = await asyncio.to_thread(whole.extras) if whole.has_extras else {}
                return _json(reply.whole(whole.text, piece.finish, piece.output_tokens, extras))
    raise AssertionError("an answer ends with a finish")


class _Stream(StreamingResponse):
    """Server-sent events, and what is to be done when they end: also where the client was gone before the first."""

    def __init__(self, events: AsyncIterator[bytes], ended: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


async def _events(
    pieces: AsyncGenerator[Progress | Broken, None], reply: Reply, wants_usage: bool
) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(pieces) as heard:
        async for piece in heard:
            if isinstance(piece, Broken):
                yield dialect.to_event(dialect.error(f"The engine failed: {piece.cause}.", "engine_error", 500))
            elif piece.text or piece.scored or piece.finish is not None:
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
