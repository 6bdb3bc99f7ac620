"""Bodies on their way in: whole up to a limit, or piece by piece into a thread. Knows nothing of signatures."""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError

from outcrop.domain.errors import Fault
from outcrop.server.hanging_up import HungUp
from outcrop.server.incoming import Receive

STALLED_AFTER_S = 60.0
LARGE_BODY_BYTES = 65_536  # what uvicorn takes in before anybody has asked for it
_LONGEST_LENGTH = 15  # digits: a petabyte


async def read_whole(receive: Receive, headers: Mapping[str, str], most_bytes: int) -> bytes:
    """The request's body. Raises a Fault as soon as it is known to be longer than `most_bytes`."""
    stated = headers.get("content-length", "")
    if stated == "0" or not (stated or "transfer-encoding" in headers):
        return b""
    if stated.isdigit() and (len(stated) > _LONGEST_LENGTH or int(stated) > most_bytes):
        raise _too_large(most_bytes)
    pieces, length, more = [], 0, True
    while more:
        piece, more = await _next_piece(receive)
        pieces.append(piece)
        length += len(piece)
        if length > most_bytes:
            raise _too_large(most_bytes)
    return b"".join(pieces)


def may_be_large(headers: Mapping[str, str]) -> bool:
    """Whether the head announces a body that is worth a look at its sender before it is read."""
    stated = headers.get("content-length", "0")
    is_short = stated.isdigit() and len(stated) <= _LONGEST_LENGTH and int(stated) <= LARGE_BODY_BYTES
    return "transfer-encoding" in headers or not is_short


class Feed:
    """A body for a thread. Each piece is asked of the event loop when the thread wants it, so one is in memory."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()

    def __iter__(self) -> Iterator[bytes]:
        more = True
        while more:
            piece, more = self._next()
            yield piece

    def _next(self) -> tuple[bytes, bool]:
        asked = asyncio.run_coroutine_threadsafe(_next_piece(self._receive), self._loop)
        try:
            return asked.result()
        except CancelledError:  # the loop is ending
            raise HungUp from None


async def _next_piece(receive: Receive) -> tuple[bytes, bool]:
    """The next piece of the body and whether more follow."""
    try:
        async with asyncio.timeout(STALLED_AFTER_S):
            message = await receive()
    except TimeoutError:
        raise Fault("RequestTimeout", "The request's body did not arrive in time.") from None
    if message["type"] == "http.disconnect":
        raise HungUp
    return message.get("body", b""), message.get("more_body", False)


def _too_large(most_bytes: int) -> Fault:
    return Fault("RequestEntityTooLargeException", f"The request's body is larger than {most_bytes} bytes.")
