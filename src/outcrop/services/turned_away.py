"""Whoever an engine just refused for want of model units is turned away at the door, and the engine is spared.

A few wait for their turn to hear it, so that a client that asks again at once is slowed; all others hear it at once.

Asked only for callers whose signature was checked and whom policies allow: nobody else learns how a model stands, or
changes it. Knows no bucket: an engine's word holds for a moment, then it is asked again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from outcrop.domain.errors import ThrottlingException

HOLDS_S = 0.1
"""An engine's refusal. What the units bring in meanwhile is not lost, the bucket keeps it; a machine that becomes idle
is noticed that much later."""
SPACED_S = 0.01
"""Between two who wait at one model's door."""
WAITING_AT_MOST, WAITING_IN_ALL = 32, 64
"""Who waits to hear a no holds a connection, which are few (`max_connections`): so many for one name, and for all."""
LONGEST_WAIT_S = WAITING_AT_MOST * SPACED_S

Name = tuple[str, str, str]
"""Region, account and the identifier by which a model was asked for."""


@dataclass(slots=True, kw_only=True)
class _Refused:
    """What an engine said, until when that holds, and when the next may hear it."""

    fault: ThrottlingException
    until: float
    turn: float


class TurnedAway:
    """What one server remembers. It lives on one event loop."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._refused: dict[Name, _Refused] = {}
        self._counts: Counter[Name] = Counter()
        self._waiting: Counter[Name] = Counter()

    @asynccontextmanager
    async def at_the_door_of(self, name: Name) -> AsyncIterator[None]:
        """Within it the engine is asked. Raises its ThrottlingException instead where it just refused the same."""
        await self._turn_away(name)
        try:
            yield
        except ThrottlingException as fault:
            self._remember(name, fault)
            raise

    def count(self, names: Iterable[Name]) -> int:
        """How many were turned away from a model that has these names: those that its engine has not counted."""
        return sum(self._counts[name] for name in names)

    async def _turn_away(self, name: Name) -> None:
        refused, now = self._refused.get(name), self._clock()
        if refused is None or now >= refused.until:
            return
        self._counts[name] += 1
        turn = max(now, refused.turn)
        if self._has_room(name) and turn - now < LONGEST_WAIT_S:
            refused.turn = turn + SPACED_S
            await self._wait(name, turn - now)
        raise again(refused.fault)

    def _has_room(self, name: Name) -> bool:
        return self._waiting[name] < WAITING_AT_MOST and self._waiting.total() < WAITING_IN_ALL

    async def _wait(self, name: Name, seconds: float) -> None:
        self._waiting[name] += 1
        try:
            await self._sleep(seconds)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]  # names are many, and asked for by anyone

    def _remember(self, name: Name, fault: ThrottlingException) -> None:
        now, before = self._clock(), self._refused.get(name)
        turn = now if before is None else before.turn  # whoever waits for a turn keeps it
        self._refused[name] = _Refused(fault=fault, until=now + HOLDS_S, turn=turn)


def again(fault: ThrottlingException) -> ThrottlingException:
    """The same, for another caller: an exception keeps the traces of all who raise it."""
    said = ThrottlingException(fault.message)
    said.retry_after_s = fault.retry_after_s
    return said
