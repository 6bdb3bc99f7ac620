"""The ASGI application: every request gets one answer, whatever happens on its way. Knows no service."""

import logging
import random
import traceback
from http import HTTPStatus

from outcrop import wire
from outcrop.domain.errors import Fault, ThrottlingException
from outcrop.server import openai_faults
from outcrop.server.answering import answer
from outcrop.server.calling import Calling, Operations
from outcrop.server.hanging_up import HungUp
from outcrop.server.incoming import Incoming, Message, Receive, Send, read_head
from outcrop.server.life import Life, claimed_name, identify
from outcrop.server.openai_life import SERVICE, OpenAiLife, speaks_openai
from outcrop.server.threads import Threads
from outcrop.services.call import Ground

LOG = logging.getLogger(__name__)

HEALTH_PATH = "/health"
_UUID_BITS, _VARIANT = 128, "a"
_OK = b'{"status":"ok"}'
_HEALTHY = wire.Response(
    HTTPStatus.OK, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_OK))], _OK
)


class App:
    """An Outcrop server without its socket."""

    def __init__(self, ground: Ground, operations: Operations) -> None:
        self._clock = ground.clock
        self._threads = Threads()
        self._life = Life(ground, Calling(operations, self._threads, reads_never_wait=ground.database.reads_never_wait))
        self._openai = OpenAiLife(ground, operations)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, in ASGI's terms."""
        if scope["type"] != "http":
            return
        request = read_head(scope, receive, _new_request_id(), self._clock())
        try:
            await answer(request, await self._response(request), send, self._threads)
        except HungUp:
            LOG.debug("request %s: the client went away", request.request_id)
        except Exception as error:
            _log_bug(request, error)  # the answer has begun: it stays unfinished, which its reader notices

    def close(self) -> None:
        """Let the threads go."""
        self._threads.close()

    async def _response(self, request: Incoming) -> wire.Response:
        if _asks_for_health(request):
            return _HEALTHY
        life = self._openai if speaks_openai(request) else self._life
        try:
            return await life.live(request)
        except Fault as fault:
            return _refuse(request, fault)
        except HungUp:
            raise
        except Exception as error:
            _log_bug(request, error)
            return _refuse(request, Fault("InternalServerException", "Outcrop failed; its log says more."))


def create_app(ground: Ground, operations: Operations | None = None) -> App:
    """The application over everything that is served, or over a test's own table."""
    if operations is None:
        from outcrop.services import openai  # these import every room: a test of its own table needs none of them
        from outcrop.services.table import OPERATIONS

        operations = {**OPERATIONS, SERVICE: openai.OPERATIONS}
    return App(ground, operations)


def _new_request_id() -> str:
    """A random UUID. It names a request and protects nothing: no need to ask the system for it each time."""
    text = f"{random.getrandbits(_UUID_BITS):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANT}{text[17:20]}-{text[20:]}"


def _asks_for_health(request: Incoming) -> bool:
    """Unsigned, and at the one path that needs no key. (A bucket may be called `health`: its requests are signed.)"""
    signed = request.signed
    return signed.path == HEALTH_PATH and not signed.query and "authorization" not in signed.headers


def _refuse(request: Incoming, fault: Fault) -> wire.Response:
    """A fault in the dialect of the service that was meant, and when to ask again where that is known."""
    response = _said(request, fault)
    if isinstance(fault, ThrottlingException) and fault.retry_after_s is not None:
        response.headers.append((b"retry-after", b"%d" % fault.retry_after_s))
    return response


def _said(request: Incoming, fault: Fault) -> wire.Response:
    if speaks_openai(request):
        return openai_faults.refuse(request.request_id, fault)
    try:
        service = identify(request, claimed_name(request))
    except Fault:
        service = None  # not even its path can be read
    return wire.fault(service, None, fault, request.request_id)


def _log_bug(request: Incoming, error: BaseException) -> None:
    """Where it broke, without the error's own words: they may quote what the caller sent."""
    places = traceback.extract_tb(error.__traceback__)
    frames = "\n".join(f"  {place.filename}:{place.lineno} in {place.name}" for place in places)
    kinds = " from ".join(type(link).__name__ for link in _causes(error))
    LOG.error(
        "request %s: %s %s: %s\n%s", request.request_id, request.signed.method, request.signed.path, kinds, frames
    )


def _causes(error: BaseException | None) -> list[BaseException]:
    links: list[BaseException] = []
    while error is not None and error not in links:
        links.append(error)
        error = error.__cause__ or error.__context__
    return links
