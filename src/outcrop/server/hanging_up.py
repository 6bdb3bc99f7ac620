"""What to do when the client goes: stop at once what was only done for it. Knows nothing of what is being done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from outcrop.server.incoming import Receive

Result = TypeVar("Result")


class HungUp(Exception):
    """The client has gone: nobody is left to answer."""


async def unless_hung_up(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client hangs up. The request's body must have been read."""
    working, watching = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise HungUp
        return await working
    finally:
        await _ended(working)
        await _ended(watching)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # the end of an empty body


async def _ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has cleaned up. What it raised was told, or concerns nobody any more."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
