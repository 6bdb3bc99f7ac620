"""A flood at the door: a neighbour's call is answered before the backlog, and strangers learn and change nothing."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from outcrop.domain.errors import ThrottlingException
from outcrop.services.call import Call
from outcrop.services.runtime import sparing_the_engine
from outcrop.services.turned_away import TurnedAway

pytestmark = pytest.mark.anyio

InProcess = Any
Make = Callable[..., InProcess]
FLOOD, NEIGHBOUR = "bought-by-a-flood", "bought-by-a-neighbour"
FLOODERS = 32  # as many as wait
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}).encode()
SAID = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    "metrics": {"latencyMs": 1},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Scene:
    """A server before an engine that refuses one model. Its clock stands still; who is turned away is kept waiting."""

    def __init__(self, in_process: Make) -> None:
        self.asked: Counter[str] = Counter()
        self.opened = asyncio.Event()
        operations = {"bedrock-runtime": {"Converse": sparing_the_engine(self.converse)}}
        self.server = in_process(operations, turned_away=TurnedAway(lambda: 0.0, self.wait))

    async def converse(self, call: Call, request: dict[str, Any]) -> dict[str, Any]:
        self.asked[request["modelId"]] += 1
        if request["modelId"] == FLOOD:
            fault = ThrottlingException("Too many tokens, please wait before trying again.")
            fault.retry_after_s = 2
            raise fault
        return SAID

    async def wait(self, _: float) -> None:
        await self.opened.wait()

    async def ask(self, model: str, **changed: str) -> Any:
        path = f"/model/{model}/converse"
        headers = {**self.server.signature("bedrock", "POST", path, BODY), **changed}
        return await self.server.asked("POST", path, headers=headers, body=BODY)


async def test_a_neighbour_is_answered_before_a_floods_backlog(in_process: Make) -> None:
    scene = Scene(in_process)
    first = await scene.ask(FLOOD)
    assert (first.status, first.headers["retry-after"]) == (429, "2")
    backlog = [asyncio.create_task(scene.ask(FLOOD)) for _ in range(FLOODERS)]
    await asyncio.sleep(0)  # all of them are under way
    neighbour = await scene.ask(NEIGHBOUR)
    assert neighbour.status == 200
    assert not any(task.done() for task in backlog)
    scene.opened.set()
    refused = await asyncio.gather(*backlog)
    assert {(one.status, one.headers["x-amzn-errortype"], one.headers["retry-after"]) for one in refused} == {
        (429, "ThrottlingException", "2")
    }
    assert scene.asked == {FLOOD: 1, NEIGHBOUR: 1}, "the engine hears of a flood once"


async def test_a_stranger_neither_learns_that_a_model_is_flooded_nor_floods_it(in_process: Make) -> None:
    scene = Scene(in_process)
    forged = {
        "authorization": scene.server.signature("bedrock", "POST", "/model/other/converse", BODY)["authorization"]
    }
    before = await scene.ask(FLOOD, **forged)
    await scene.ask(FLOOD)
    after = await scene.ask(FLOOD, **forged)
    assert (before.status, before.body) == (after.status, after.body)
    assert before.headers["x-amzn-errortype"] == after.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert scene.asked == {FLOOD: 1}
