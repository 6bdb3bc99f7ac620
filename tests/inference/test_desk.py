"""Between event loop and engine: whoever stops listening frees the engine, and a failing step breaks nobody's wait."""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from outcrop.domain.model_units import Capacity
from outcrop.inference.asking import Broken, Progress, Sampling
from outcrop.inference.desk import Desk
from outcrop.inference.scheduler import Answer, Limits, Scheduler, Step
from outcrop.inference.shares import ON_DEMAND, Shares

pytestmark = pytest.mark.anyio

LIMITS = Limits(rows=4, cache_tokens=100_000, context_tokens=20_000)


class Spelled:
    def push(self, token: int) -> tuple[str, str | None]:
        return chr(97 + token), None

    def finish(self) -> tuple[str, str | None]:
        return "", None


class Gate:
    """A doer whose every step waits until it is let through."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)

    def do(self, step: Step) -> list[int]:
        assert self.steps.acquire(timeout=20)
        return [0 for span in step.spans if span.chooses]

    def rest(self) -> None:
        pass


class Fails:
    def do(self, step: Step) -> list[int]:
        raise MemoryError

    def rest(self) -> None:
        pass


class Holds(Gate):
    """A doer that says so when it rests while it still holds something."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = 0

    def rest(self) -> None:
        self.rests += 1
        assert self.rests != 2, "something is still held"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def answer(max_tokens: int = 10_000) -> Answer:
    return Answer(prompt=[1], sampling=Sampling(max_tokens=max_tokens, seed=0), model="base", writer=Spelled())


async def first(pieces: AsyncGenerator[Progress | Broken, None]) -> Progress | Broken:
    async with aclosing(pieces) as heard:
        async for piece in heard:
            return piece
    raise AssertionError("nothing was said")


async def test_who_stops_listening_frees_the_engine_before_the_next_step() -> None:
    scheduler, gate = Scheduler(LIMITS, frozenset()), Gate()
    desk = Desk(scheduler, gate)
    desk.open()
    gate.steps.release()
    left, stays = answer(), answer(max_tokens=3)
    assert isinstance(await first(desk.ask(left)), Progress)
    assert (left.cancelled, desk.open_answers) == (True, 0)
    gate.steps.release(10)
    said = [piece async for piece in desk.ask(stays)]
    assert len(said) == 3
    assert not scheduler.busy
    assert left.output_tokens <= 2  # at most the step that was under way
    await desk.close()


async def test_who_reads_slowly_holds_no_share_of_the_machine_once_the_answer_is_made() -> None:
    shares, gate = Shares(Capacity(input_tokens_s=1.0, output_tokens_s=1.0), LIMITS.rows), Gate()
    desk = Desk(Scheduler(LIMITS, frozenset(), shares), gate, shares)
    desk.open()
    try:
        async with aclosing(desk.ask(answer(3))) as pieces, asyncio.timeout(20):
            gate.steps.release(3)
            await anext(pieces)
            while shares.report()[ON_DEMAND]["open"]:
                await asyncio.sleep(0)
            assert desk.open_answers == 1
    finally:
        gate.steps.release(100)
        await desk.close()


async def test_a_task_that_is_cancelled_frees_the_engine() -> None:
    gate, asked = Gate(), answer()
    desk = Desk(Scheduler(LIMITS, frozenset()), gate)
    desk.open()
    waiting = asyncio.create_task(first(desk.ask(asked)))
    while desk.open_answers == 0:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (asked.cancelled, desk.open_answers) == (True, 0)
    gate.steps.release(2)
    await desk.close()


async def test_a_failing_step_is_told_to_all_and_the_engine_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(Scheduler(LIMITS, frozenset()), Fails())
    desk.open()
    with caplog.at_level(logging.CRITICAL, "outcrop.inference.engine"):
        told = await asyncio.gather(*(first(desk.ask(answer())) for _ in range(3)))
        assert await first(desk.ask(answer())) == Broken(cause="MemoryError")
    assert told == [Broken(cause="MemoryError")] * 3
    await desk.close()


async def test_what_is_still_held_while_idle_is_logged_and_the_next_is_served(caplog: pytest.LogCaptureFixture) -> None:
    doer = Holds()
    desk = Desk(Scheduler(LIMITS, frozenset()), doer)
    desk.open()
    doer.steps.release(10)
    with caplog.at_level(logging.CRITICAL, "outcrop.inference.engine"):
        for _ in range(2):
            assert len([piece async for piece in desk.ask(answer(max_tokens=2))]) == 2
        await desk.close()
    assert doer.rests >= 2
