"""Where plain functions run, so that none of them keeps the event loop from its other callers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

WORK_THREADS = 8
TRANSFER_THREADS = 64


class Threads:
    """Two pools: operations that only compute and query, and transfers, which last as long as their client is slow."""

    def __init__(self) -> None:
        self._work = ThreadPoolExecutor(WORK_THREADS, "operation")
        self._transfers = ThreadPoolExecutor(TRANSFER_THREADS, "transfer")

    async def work(self, function: Callable[[], Result]) -> Result:
        """Run what is soon done."""
        return await asyncio.get_running_loop().run_in_executor(self._work, function)

    async def transfer(self, function: Callable[[], Result]) -> Result:
        """Run what waits for a client's bytes."""
        return await asyncio.get_running_loop().run_in_executor(self._transfers, function)

    async def pieces(self, body: Iterator[bytes]) -> AsyncIterator[bytes]:
        """A body's pieces, each fetched in a thread; the body is closed at the end, however it comes."""
        fetching: asyncio.Future[bytes | None] | None = None
        try:
            while True:
                fetching = asyncio.ensure_future(self.transfer(lambda: next(body, None)))
                piece = await asyncio.shield(fetching)
                if piece is None:
                    return
                yield piece
        finally:
            await asyncio.shield(self._closed(body, fetching))

    async def _closed(self, body: Iterator[bytes], fetching: "asyncio.Future[bytes | None] | None") -> None:
        """Close a generator, after the piece that a thread may still be fetching from it."""
        if fetching is not None:
            await asyncio.wait({fetching})
        close = getattr(body, "close", None)
        if close is not None:
            await self.transfer(close)

    def close(self) -> None:
        """Take no more work."""
        self._work.shutdown(wait=False, cancel_futures=True)
        self._transfers.shutdown(wait=False, cancel_futures=True)
