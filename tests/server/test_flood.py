"""A flood at the door: a neighbour's call is answered before the backlog, and strangers learn and change nothing."""

import asyncio
import importlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from outcrop.domain.errors import ThrottlingException
from outcrop.families import MODELS, Answer, Ask, family_of
from outcrop.families.catalogue import PEBBLE
from outcrop.services.call import Call
from outcrop.services.runtime import OPERATIONS
from outcrop.services.runtime.served import Served
from outcrop.services.turned_away import TurnedAway

pytestmark = pytest.mark.anyio

InProcess = Any
Make = Callable[..., InProcess]
FLOOD, NEIGHBOUR = "bought-by-a-flood", "bought-by-a-neighbour"
FLOODERS = 32  # as many as wait
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}).encode()
MALFORMED = json.dumps({"messages": [{"role": "assistant", "content": [{"text": "Hi"}]}]}).encode()
MODEL = MODELS["amazon.nova-lite-v1:0"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Scene:
    """A server before an engine that refuses one model. Its clock stands still; who is turned away is kept waiting."""

    def __init__(self, in_process: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()
        self.opened = asyncio.Event()
        operations = {"bedrock-runtime": OPERATIONS}
        module = importlib.import_module("outcrop.services.runtime.converse")
        monkeypatch.setattr(module, "find_soon", self.find)
        monkeypatch.setattr(module, "ask_whole", self.answer)
        self.server = in_process(operations, turned_away=TurnedAway(lambda: 0.0, self.wait))

    async def find(self, _: Call, identifier: str) -> Served:
        return Served(model=MODEL, family=family_of(MODEL), checkpoint=PEBBLE, engine_model=identifier, sentence="")

    async def answer(self, _call: Call, served: Served, _ask: Ask) -> Answer:
        self.asked[served.engine_model] += 1
        if served.engine_model == FLOOD:
            fault = ThrottlingException("Too many tokens, please wait before trying again.")
            fault.retry_after_s = 2
            raise fault
        return Answer(text="Hello", stop="end_turn", input_tokens=1, output_tokens=1)

    async def wait(self, _: float) -> None:
        await self.opened.wait()

    async def ask(self, model: str, body: bytes = BODY, **changed: str) -> Any:
        path = f"/model/{model}/converse"
        headers = {**self.server.signature("bedrock", "POST", path, body), **changed}
        return await self.server.asked("POST", path, headers=headers, body=body)


async def test_a_neighbour_is_answered_before_a_floods_backlog(
    in_process: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(in_process, monkeypatch)
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


async def test_a_stranger_neither_learns_that_a_model_is_flooded_nor_floods_it(
    in_process: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(in_process, monkeypatch)
    forged = {
        "authorization": scene.server.signature("bedrock", "POST", "/model/other/converse", BODY)["authorization"]
    }
    before = await scene.ask(FLOOD, **forged)
    await scene.ask(FLOOD)
    after = await scene.ask(FLOOD, **forged)
    assert (before.status, before.body) == (after.status, after.body)
    assert before.headers["x-amzn-errortype"] == after.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert scene.asked == {FLOOD: 1}


async def test_what_is_wrong_with_a_request_is_said_however_the_model_stands(
    in_process: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(in_process, monkeypatch)
    await scene.ask(FLOOD)
    refused = await scene.ask(FLOOD, MALFORMED)
    assert (refused.status, refused.headers["x-amzn-errortype"]) == (400, "ValidationException")
