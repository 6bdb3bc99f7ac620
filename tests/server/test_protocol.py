"""The protocol's own promises, on a transport and timers that only remember."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from outcrop.server.protocol import HEAD_WITHIN_S, BoundedProtocol

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.sent_by_then: list[bytes] = []  # what was written when the application had just given its answer
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str) -> None:
        return None


class Timers:
    """An event loop whose timers never fire by themselves."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.set: list[tuple[float, asyncio.TimerHandle]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        handle = self._loop.call_later(3600, callback)
        self.set.append((delay, handle))
        return handle

    def of_heads(self) -> list[asyncio.TimerHandle]:
        """The deadlines that still stand."""
        return [handle for delay, handle in self.set if delay == HEAD_WITHIN_S and not handle.cancelled()]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
    scope["state"]["sent_by_then"].extend(scope["state"]["wire"].written)


def on_a_connection(story: Callable[[BoundedProtocol, Wire, Timers], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        timers, wire = Timers(asyncio.get_running_loop()), Wire()
        config = uvicorn.Config(app, log_config=None, lifespan="off", server_header=False, date_header=False)
        state = {"wire": wire, "sent_by_then": wire.sent_by_then}
        protocol = BoundedProtocol(config, ServerState(), state, timers)  # type: ignore[arg-type]  # all of a loop that is used
        protocol.connection_made(wire)  # type: ignore[arg-type]  # all of a transport that is used
        await story(protocol, wire, timers)
        for _, handle in timers.set:
            handle.cancel()

    asyncio.run(run())


async def answered(protocol: BoundedProtocol) -> None:
    await asyncio.gather(*protocol.tasks)


def test_an_answer_leaves_in_one_piece_as_soon_as_it_is_whole() -> None:
    async def story(protocol: BoundedProtocol, wire: Wire, timers: Timers) -> None:
        protocol.data_received(HEAD + b"\r\n")
        await answered(protocol)
        assert wire.sent_by_then == [ANSWER]

    on_a_connection(story)


def test_a_head_that_is_whole_at_once_sets_no_timer() -> None:
    async def story(protocol: BoundedProtocol, wire: Wire, timers: Timers) -> None:
        for _ in range(3):
            protocol.data_received(HEAD + b"\r\n")
            await answered(protocol)
            assert timers.of_heads() == []
        assert len([delay for delay, _ in timers.set if delay == HEAD_WITHIN_S]) == 1, (
            "the first head's, at its opening"
        )
        assert wire.written == [ANSWER] * 3

    on_a_connection(story)


def test_a_connection_that_says_nothing_is_closed() -> None:
    async def story(protocol: BoundedProtocol, wire: Wire, timers: Timers) -> None:
        (deadline,) = timers.of_heads()
        deadline._run()
        assert wire.closed

    on_a_connection(story)


def test_a_later_head_has_one_deadline_from_its_first_bytes_on() -> None:
    async def story(protocol: BoundedProtocol, wire: Wire, timers: Timers) -> None:
        protocol.data_received(HEAD + b"\r\n")
        await answered(protocol)
        protocol.data_received(HEAD)
        (deadline,) = timers.of_heads()
        protocol.data_received(b"X-More: 1\r\n")
        assert timers.of_heads() == [deadline]
        protocol.data_received(b"\r\n")
        assert timers.of_heads() == []
        await answered(protocol)
        assert wire.written == [ANSWER] * 2
        assert not wire.closed

    on_a_connection(story)


def test_a_later_head_that_does_not_end_is_closed() -> None:
    async def story(protocol: BoundedProtocol, wire: Wire, timers: Timers) -> None:
        protocol.data_received(HEAD + b"\r\n")
        await answered(protocol)
        protocol.data_received(HEAD)
        (deadline,) = timers.of_heads()
        deadline._run()
        assert wire.closed

    on_a_connection(story)


def test_a_lost_connection_leaves_no_deadline() -> None:
    async def story(protocol: BoundedProtocol, wire: Wire, timers: Timers) -> None:
        protocol.data_received(HEAD)
        protocol.connection_lost(None)
        assert timers.of_heads() == []

    on_a_connection(story)
