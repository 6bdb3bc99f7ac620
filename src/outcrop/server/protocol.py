"""uvicorn's HTTP/1.1 protocol with bounds (connections, a head's size and time to arrive) and answers in one packet."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

LONGEST_HEAD_BYTES = 65_536
HEAD_WITHIN_S = 30.0
LARGE_PIECE_BYTES = 16_384
MOST_CONNECTIONS = 512


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a head that is too long, and hangs up on one that does not come to its end.

    A connection beyond `most_connections` is told so and closed; those that are open go on.
    """

    _head_bytes = 0
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *uvicorns: Any, most_connections: int = MOST_CONNECTIONS, **named: Any) -> None:
        super().__init__(*uvicorns, **named)
        self._most_connections = most_connections

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """A first head is now awaited."""
        super().connection_made(transport)
        self.transport = _Joined(transport, self.loop)  # type: ignore[assignment]  # all of a transport that uvicorn uses
        if len(self.connections) > self._most_connections:
            self._turn_away(503, b"Too many connections are open.")
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came: they belong to a head if the parser has not seen the end of one."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        # A body in the same packet as its head was counted too: only a head that is still open is judged.
        if self._in_head and self._head_bytes and not self.transport.is_closing():
            self._judge_open_head()

    def on_headers_complete(self) -> None:
        """The head ended."""
        self._head_arrived()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body ended: what comes next is another head."""
        super().on_message_complete()
        self._in_head, self._head_bytes = True, 0

    def on_response_complete(self) -> None:
        """The answer is whole: it goes at once, and what is left to do for it is done while its reader reads."""
        self.transport.flush()  # type: ignore[attr-defined]  # it is a _Joined
        super().on_response_complete()

    def _judge_open_head(self) -> None:
        if self._head_bytes > LONGEST_HEAD_BYTES:
            self._turn_away(431, b"The request's head is too long.")
        elif self._deadline is None:
            self._await_head()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self._hang_up)

    def _head_arrived(self) -> None:
        self._in_head, self._head_bytes = False, 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _turn_away(self, status: int, message: bytes) -> None:
        lines = (b"content-type: text/plain", b"content-length: %d" % len(message), b"connection: close")
        self.transport.write(STATUS_LINE[status] + b"\r\n".join((*lines, b"", message)))
        self.transport.close()


class _Joined:
    """A transport that sends what is written within one turn of the event loop at once.

    uvicorn writes an answer's head and its body apart, and uvloop sends each as soon as it is written: two system calls
    and two packets where one does.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send before long. A large piece goes at once, uncopied, so that a full transport is noticed."""
        if len(data) > LARGE_PIECE_BYTES:
            self.flush()
            self._transport.write(data)
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is being closed, or is closed."""
        return self._transport.is_closing()

    def flush(self) -> None:
        """Send what is held."""
        if self._held and not self._transport.is_closing():
            self._transport.write(b"".join(self._held))
        self._held = []
