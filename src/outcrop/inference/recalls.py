"""Requests that wait for a model that had to make room, until it is loaded again. Knows no model; one event loop's own.

The engine cannot fetch a model: it says which ones are waited for, and whoever loads models asks that (0009).
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

WAIT_S = 10.0  # many times what an adapter takes to be unsealed and loaded; whole weights are asked for again


@dataclass(slots=True)
class _Recall:
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0


class Recalls:
    """Who waits for which name."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        self._wait_s = wait_s
        self._open: dict[str, _Recall] = {}

    def wanted(self) -> list[str]:
        """Names that somebody waits for."""
        return sorted(self._open)

    def arrived(self, name: str) -> None:
        """It is loaded: whoever waits for it goes on."""
        recall = self._open.get(name)
        if recall is not None:
            recall.loaded.set()

    async def wait(self, name: str) -> None:
        """Until it has arrived, or nobody has brought it for long."""
        recall = self._open.setdefault(name, _Recall())
        recall.waiting += 1
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(recall.loaded.wait(), self._wait_s)
        finally:
            recall.waiting -= 1
            if not recall.waiting or recall.loaded.is_set():
                self._open.pop(name, None)
