"""An answer on its way out, at the pace of whoever reads it. Knows nothing of what it says."""

from collections.abc import AsyncIterator

from outcrop import wire
from outcrop.server.hanging_up import unless_hung_up
from outcrop.server.incoming import Incoming, Send
from outcrop.server.threads import Threads

REQUEST_ID = b"x-amzn-requestid"


async def answer(request: Incoming, response: wire.Response, send: Send, threads: Threads) -> None:
    """Send a response. Raises HungUp, with the stream closed, where the client goes before its end."""
    await send({"type": "http.response.start", "status": response.status, "headers": _headers(request, response)})
    if isinstance(response.body, bytes):
        await send({"type": "http.response.body", "body": response.body})
        return
    pieces = response.body if isinstance(response.body, AsyncIterator) else threads.pieces(response.body)
    await unless_hung_up(request.receive, _stream(pieces, send))


async def _stream(pieces: AsyncIterator[bytes], send: Send) -> None:
    try:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
    await send({"type": "http.response.body", "body": b""})


def _headers(request: Incoming, response: wire.Response) -> list[tuple[bytes, bytes]]:
    headers = response.headers
    if all(name != REQUEST_ID for name, _ in headers):
        headers = [*headers, (REQUEST_ID, request.request_id.encode())]
    if response.status >= 400 and "expect" in request.signed.headers:
        # Nobody can tell whether the body that was announced will still come: the connection cannot be used again.
        headers = [*headers, (b"connection", b"close")]
    return headers
