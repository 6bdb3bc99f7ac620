"""The life of a request in OpenAI's dialect, as a list: an API key instead of a signature, events instead of frames.

The routes are the dialect's; what they mean, and who may, is `services.openai`'s.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any
from urllib.parse import unquote

import msgspec

from outcrop import identity, wire
from outcrop.domain.errors import Fault, NotServed, ValidationException
from outcrop.identity import Identity
from outcrop.server.bodies import read_whole
from outcrop.server.calling import Operations
from outcrop.server.hanging_up import unless_hung_up
from outcrop.server.incoming import Incoming
from outcrop.server.life import call_of, find_api_key
from outcrop.server.openai_faults import NO_KEY, REQUEST_ID, error_body
from outcrop.services.call import Ground
from outcrop.wire.responses import HeaderList, header_value, whole

SERVICE = "openai"
PREFIX = "/v1/"  # no bucket can be called so: names have three letters
BEDROCKS_PREFIX = "/openai/v1/"  # where Bedrock itself has the dialect; a bucket's requests show no API key
_MODELS = "models/"
_ROUTES = {
    "chat/completions": ("POST", "createChatCompletion"),
    "completions": ("POST", "createCompletion"),
    "models": ("GET", "listModels"),
}
_LAST_EVENT = b"data: [DONE]\n\n"
_BROKEN = Fault("InternalServerException", "The stream broke off.")


def speaks_openai(request: Incoming) -> bool:
    """Whether a request is in this dialect."""
    path = request.signed.path
    return path.startswith(PREFIX) or (path.startswith(BEDROCKS_PREFIX) and identity.shows_a_key(request.signed))


class OpenAiLife:
    """What every request of the dialect goes through."""

    def __init__(self, ground: Ground, operations: Operations) -> None:
        self._ground = ground
        self._functions = operations.get(SERVICE, {})

    async def live(self, request: Incoming) -> wire.Response:
        """The answer to a request. Raises a Fault, which is an answer too, or HungUp where nobody waits for one."""
        caller = self.authenticate(request)
        operation, named = route(request)
        asked = {**named, **await self.receive(request)}
        result = await self.call(request, operation, asked, caller)
        return serialize(request, result)

    def authenticate(self, request: Incoming) -> Identity:
        """Who calls: the head alone proves it, so that no body is read for anybody else."""
        found = identity.authenticate_bearer(request.signed, partial(find_api_key, self._ground), request.at)
        if found is None:
            raise NO_KEY
        return found

    async def receive(self, request: Incoming) -> dict[str, Any]:
        """The members of the body; none where nothing is sent."""
        if request.signed.method == "GET":
            return {}
        body = await read_whole(request.receive, request.signed.headers, self._ground.settings.max_body_bytes)
        try:
            members = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValidationException("The body is not JSON in UTF-8, or is nested too deep.") from error
        if not isinstance(members, dict):
            raise ValidationException("The body must be a JSON object.")
        return members

    async def call(self, request: Incoming, operation: str, asked: dict[str, Any], caller: Identity) -> dict[str, Any]:
        """Ask the service."""
        function: Any = self._functions.get(operation)
        if function is None:
            raise NotServed(SERVICE, operation)
        return await unless_hung_up(request.receive, function(call_of(self._ground, request, caller), asked))


def route(request: Incoming) -> tuple[str, dict[str, str]]:
    """Which operation is asked for, and what the path names."""
    method, rest = request.signed.method, _below_the_prefix(request.signed.path)
    if rest.startswith(_MODELS) and rest != _MODELS:
        wanted, operation, named = "GET", "retrieveModel", {"model": unquote(rest.removeprefix(_MODELS))}
    elif rest in _ROUTES:
        (wanted, operation), named = _ROUTES[rest], {}
    else:
        raise Fault("UnknownOperationException", f"Unknown request URL: {method} {request.signed.path[:200]}.")
    if method != wanted:
        raise Fault("MethodNotAllowed", f"Not allowed to {method} on {request.signed.path[:200]}: use {wanted}.")
    return operation, named


def serialize(request: Incoming, result: dict[str, Any]) -> wire.Response:
    """The result as HTTP: one body, or server-sent events."""
    headers: HeaderList = [(name.encode(), header_value(value)) for name, value in result["headers"].items()]
    headers.append((REQUEST_ID, request.request_id.encode()))
    if "stream" in result:
        headers += [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        return wire.Response(200, headers, _events(result["stream"]))
    return whole(200, [*headers, (b"content-type", b"application/json")], msgspec.json.encode(result["body"]))


async def _events(chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncIterator[bytes]:
    """A Fault on the way is an event of its own, and the end: whoever misses `[DONE]` has not heard all."""
    try:
        async with aclosing(chunks) as heard:
            async for chunk in heard:
                yield _event(chunk)
    except Fault as fault:
        yield _event(error_body(fault))
    except Exception:
        # The answer has begun: the client learns it from an event, the server's log from the exception.
        yield _event(error_body(_BROKEN))
        raise
    else:
        yield _LAST_EVENT


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def _below_the_prefix(path: str) -> str:
    return path.removeprefix(BEDROCKS_PREFIX) if path.startswith(BEDROCKS_PREFIX) else path.removeprefix(PREFIX)
