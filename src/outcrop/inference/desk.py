"""Between the event loop and the engine's thread: an answer asked for here arrives here, piece by piece.

Whoever stops listening cancels: leaving the `async for`, or being cancelled oneself, ends the answer in the engine.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Protocol

from outcrop.inference.asking import Broken, Progress
from outcrop.inference.engine import Doer, Engine, Said
from outcrop.inference.scheduler import Answer, Scheduler
from outcrop.inference.shares import Shares

Pieces = asyncio.Queue[Progress | Broken]


class Answering(Protocol):
    """What the face asks of what answers."""

    def open(self) -> None:
        """Begin; called on the event loop."""

    async def close(self) -> None:
        """End what is under way."""

    @property
    def open_answers(self) -> int:
        """How many answers somebody listens to."""

    def ask(self, answer: Answer) -> AsyncGenerator[Progress | Broken, None]:
        """Pieces of the answer as they come; the last one has `finish`, or is Broken."""


class Desk:
    """Runs one engine in a thread of its own, between `open` and `close`."""

    def __init__(self, scheduler: Scheduler, doer: Doer, shares: Shares | None = None) -> None:
        self._shares = shares
        self._engine = Engine(scheduler, doer, self._deliver)
        self._thread = threading.Thread(target=self._engine.run, name="engine", daemon=True)
        self._listeners: dict[Answer, Pieces] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Start the engine; called on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def close(self) -> None:
        """End the engine after the step under way."""
        self._engine.end()
        await asyncio.to_thread(self._thread.join)

    @property
    def open_answers(self) -> int:
        """How many answers somebody listens to."""
        return len(self._listeners)

    async def ask(self, answer: Answer) -> AsyncGenerator[Progress | Broken, None]:
        """Pieces of the answer as they come; the last one has `finish`, or is Broken."""
        pieces: Pieces = asyncio.Queue()
        self._listeners[answer] = pieces
        if self._shares is not None:
            self._shares.open(answer)
        self._engine.submit(answer)
        try:
            while True:
                piece = await pieces.get()
                yield piece
                if _is_last(piece):
                    return
        finally:
            self._engine.cancel(answer)
            del self._listeners[answer]
            if self._shares is not None:
                self._shares.close(answer)

    def _deliver(self, said: Said) -> None:
        """From the engine's thread: one hop for the whole step."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._hand_out, said)

    def _hand_out(self, said: Said) -> None:
        for answer, piece in said:
            pieces = self._listeners.get(answer)
            if pieces is not None:
                pieces.put_nowait(piece)
                if self._shares is not None and _is_last(piece):
                    self._shares.close(answer)  # now: a client that reads slowly holds no share of the machine


def _is_last(piece: Progress | Broken) -> bool:
    return isinstance(piece, Broken) or piece.finish is not None
