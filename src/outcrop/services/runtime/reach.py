"""Gets a question to its engine, waiting for one that is still to start. The worker starts engines; here one is wished.

Where the engine answers, the database is not asked.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from outcrop.domain.errors import ModelErrorException, ModelNotReadyException
from outcrop.services.call import Call
from outcrop.services.runtime.client import EngineAway, EngineClient, client_for
from outcrop.services.runtime.served import Served
from outcrop.store import engines, refused_models
from outcrop.store.engines import EngineState

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request waits for an engine that is not there yet."""

    ready_s: float = 30.0
    poll_s: float = 0.1


async def reach(
    call: Call, served: Served, ask: Callable[[EngineClient], Awaitable[Result]], patience: Patience | None = None
) -> Result:
    """What `ask` gives, once the model's engine answers. Raises ModelNotReadyException where that takes long.

    An engine that has just started may answer before it holds all that is in service: that is waited for, too. What it
    will not hold, however long one waits, is a ModelErrorException with the reason.
    """
    client = client_for(engines.socket_of(call.ground.settings, served.checkpoint))
    try:
        with contextlib.suppress(EngineAway):  # then one is wished below
            return await ask(client)
    except ModelNotReadyException:
        if not await asyncio.to_thread(_is_loading, call, served):
            raise
    return await _wait_and_ask(call, served, lambda: ask(client), patience or Patience())


async def _wait_and_ask(call: Call, served: Served, ask: Callable[[], Awaitable[Result]], patience: Patience) -> Result:
    give_up = time.monotonic() + patience.ready_s
    ends: list[str] = []
    while time.monotonic() < give_up:
        await asyncio.to_thread(_wish, call, served.checkpoint, ends)
        await asyncio.sleep(patience.poll_s)
        try:
            return await ask()
        except EngineAway:
            continue
        except ModelNotReadyException:
            if not await asyncio.to_thread(_is_loading, call, served):
                raise
    raise ModelNotReadyException("The model's engine is still starting. Try again in a few seconds.")


def _is_loading(call: Call, served: Served) -> bool:
    """Whether the worker has yet to hand this engine what it is to hold. Raises where it cannot have the model."""
    with call.ground.database.read() as connection:
        found = engines.find(connection, served.checkpoint)
        refused = refused_models.why(connection, served.engine_model)
    if refused is not None:
        raise ModelErrorException(f"The model cannot be served: {refused}", originalStatusCode=500)
    return found is not None and found.state is EngineState.STARTING


def _wish(call: Call, checkpoint: Path, ends: list[str]) -> None:
    """See that the engine is wanted. `ends` collects why engines have ended while this request waited for one."""
    with call.ground.database.read() as connection:
        found = engines.find(connection, checkpoint)
    if found is None or found.state is EngineState.GONE:
        if found is not None and ends:  # this request's own wish was tried: waiting will not help
            raise ModelErrorException(f"The model's engine cannot start: {found.detail}", originalStatusCode=500)
        ends.append("" if found is None else found.detail or "")
        engines.want(call.ground.database, call.ground.settings, checkpoint, call.at)
