"""Whoever an engine just refused is turned away at the door: soon, in turn, counted, not for long. No clock runs."""

import asyncio
from dataclasses import dataclass, field

import pytest

from outcrop.domain.errors import ModelErrorException, ThrottlingException
from outcrop.services.turned_away import HOLDS_S, LONGEST_WAIT_S, SPACED_S, WAITING_AT_MOST, WAITING_IN_ALL, TurnedAway

pytestmark = pytest.mark.anyio

FLOOD, NEIGHBOUR = ("us-east-1", "1", "flood"), ("us-east-1", "1", "neighbour")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Door:
    """A door at a time of the test's own, before an engine that refuses; `waited` is how long each was kept."""

    now: float = 0.0
    waited: list[float] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self.turned_away = TurnedAway(lambda: self.now, self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)

    async def ask(self, name: tuple[str, str, str] = FLOOD, refuses: bool = True) -> ThrottlingException | None:
        try:
            async with self.turned_away.at_the_door_of(name):
                self.asked += 1
                if refuses:
                    fault = ThrottlingException("Too many tokens.")
                    fault.retry_after_s = 3
                    raise fault
        except ThrottlingException as heard:
            return heard
        return None


async def test_an_engine_that_refused_is_asked_again_after_a_moment_and_not_before() -> None:
    door = Door()
    first = await door.ask()
    second = await door.ask(refuses=False)
    assert door.asked == 1
    assert second is not first and second is not None
    assert (second.message, second.retry_after_s) == ("Too many tokens.", 3)
    door.now = HOLDS_S
    assert await door.ask(refuses=False) is None
    assert await door.ask(refuses=False) is None, "who was let in has opened the door"


async def test_a_neighbour_is_not_turned_away() -> None:
    door = Door()
    await door.ask()
    assert await door.ask(NEIGHBOUR, refuses=False) is None
    assert await door.ask(("eu-west-1", "1", "flood"), refuses=False) is None
    assert await door.ask(("us-east-1", "2", "flood"), refuses=False) is None


async def test_those_turned_away_hear_it_one_after_the_other_and_none_waits_long() -> None:
    door = Door()
    await door.ask()
    for _ in range(400):
        await door.ask()
    assert door.waited[:3] == pytest.approx([0.0, SPACED_S, 2 * SPACED_S])
    assert len(door.waited) == len(set(door.waited)) == WAITING_AT_MOST, "no two at one moment; the others at once"
    assert max(door.waited) < LONGEST_WAIT_S
    door.now = LONGEST_WAIT_S + HOLDS_S
    await door.ask()
    door.waited.clear()
    await door.ask()
    assert door.waited == [0.0], "the flood of a moment ago is nobody's debt"


async def test_whoever_waits_for_its_turn_keeps_it_when_the_engine_has_refused_again() -> None:
    door = Door()
    await door.ask()
    for _ in range(20):
        await door.ask()
    door.now = HOLDS_S
    await door.ask()
    door.waited.clear()
    await door.ask()
    assert door.waited == pytest.approx([20 * SPACED_S - HOLDS_S])


async def test_those_turned_away_are_counted_and_the_engines_own_are_not() -> None:
    door = Door()
    for _ in range(4):
        await door.ask()
    await door.ask(NEIGHBOUR)
    assert door.turned_away.count([FLOOD, NEIGHBOUR]) == 3


async def test_of_a_flood_only_few_wait_and_all_others_hear_it_at_once() -> None:
    door = Door()
    others = [("us-east-1", "1", f"other-{number}") for number in range(4)]
    opened = asyncio.Event()
    door.turned_away = kept_until(opened, door)
    for name in (FLOOD, *others):
        await door.ask(name)
    flood = [asyncio.create_task(door.ask()) for _ in range(260)]
    await asyncio.sleep(0)
    assert sum(not task.done() for task in flood) == WAITING_AT_MOST
    rest = [asyncio.create_task(door.ask(name)) for name in others for _ in range(30)]
    await asyncio.sleep(0)
    assert sum(not task.done() for task in (*flood, *rest)) == WAITING_IN_ALL
    flood[0].cancel()
    opened.set()
    heard = await asyncio.gather(*flood[1:], *rest)
    assert all(one is not None for one in heard)
    assert door.turned_away.count([FLOOD]) == 260
    assert door.asked == 1 + len(others), "the engine is spared"


def kept_until(opened: asyncio.Event, door: Door) -> TurnedAway:
    """A door where whoever waits does so until `opened`."""

    async def wait(_: float) -> None:
        await opened.wait()

    return TurnedAway(lambda: door.now, wait)


async def test_another_failure_closes_no_door() -> None:
    door = Door()
    with pytest.raises(ModelErrorException):
        async with door.turned_away.at_the_door_of(FLOOD):
            raise ModelErrorException("It broke.", originalStatusCode=500)
    assert await door.ask(refuses=False) is None
