"""What the face says to whoever bought too little: the status, the sentence, when to come again; and who is let in."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import torch
from starlette.requests import ClientDisconnect

from outcrop.domain.model_units import Capacity
from outcrop.inference.desk import Desk
from outcrop.inference.face import Parts, create_app
from outcrop.inference.loading import Loaded, Wishes, load_engine
from outcrop.inference.prompts import Prompts
from outcrop.inference.scheduler import Scheduler, Step
from outcrop.inference.shares import Shares
from outcrop.text import Tokenizer

pytestmark = pytest.mark.anyio

SLOW = Capacity(input_tokens_s=10.0, output_tokens_s=10.0)  # one unit saves thirty tokens


class Gate:
    """The engine's own doer, once it is let."""

    def __init__(self, loaded: Loaded) -> None:
        self._doer = loaded.doer
        self.opened = threading.Event()

    def do(self, step: Step) -> list[int]:
        assert self.opened.wait(20)
        return self._doer.do(step)

    def rest(self) -> None:
        pass


class Engine:
    """A face over shares that are small enough to be spent, and a client of it."""

    def __init__(self, checkpoint: Path) -> None:
        loaded = load_engine(checkpoint, torch.device("cpu"), Wishes(rows=4, cache_bytes=2**24))
        tokenizer = Tokenizer.load(checkpoint)
        self.gate, self.shares = Gate(loaded), Shares(SLOW, loaded.limits.rows)
        self.desk = Desk(Scheduler(loaded.limits, frozenset(), self.shares), self.gate, self.shares)
        self.app = create_app(
            Parts(
                desk=self.desk,
                models=loaded.models,
                prompts=Prompts(tokenizer),
                limits=loaded.limits,
                shares=self.shares,
            )
        )
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url="http://engine")

    async def ask(self, buyer: str, tokens: int = 40) -> httpx.Response:
        body = {"prompt": [5, 6], "max_tokens": tokens, "temperature": 0, "user": buyer}
        return await self.client.post("/v1/completions", json=body)

    async def begin(self, buyer: str) -> "asyncio.Task[httpx.Response]":
        """An answer that is here, and waits for the gate."""
        before = self.standing(buyer)["open"]
        task = asyncio.create_task(self.ask(buyer))
        async with asyncio.timeout(20):
            while self.standing(buyer)["open"] == before:
                await asyncio.sleep(0)
        return task

    def standing(self, buyer: str) -> dict[str, Any]:
        return self.shares.report()[buyer]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def engine(checkpoint: Path) -> AsyncIterator[Engine]:
    made = Engine(checkpoint)
    made.desk.open()
    yield made
    made.gate.opened.set()
    await made.desk.close()
    await made.client.aclose()


async def test_more_than_was_bought_is_refused_while_a_neighbour_is_answered(engine: Engine) -> None:
    sold = await engine.client.post("/outcrop/throughput", json={"units": {"flood": 1, "quiet": 1}, "sold": 2})
    assert sold.status_code == 200
    answered = [await engine.begin("quiet"), await engine.begin("flood")]
    refused = await engine.ask("flood")
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error["type"] == "rate_limit_error"
    assert error["message"].startswith("Too many tokens, please wait before trying again.")
    assert 0 < int(refused.headers["retry-after"]) <= 42 * 20 / 10 + 1
    answered += [await engine.begin(""), await engine.begin("")]  # on demand waits, and is not refused
    engine.gate.opened.set()
    assert [each.status_code for each in await asyncio.gather(*answered)] == [200] * 4
    told = (await engine.client.get("/outcrop/throughput")).json()
    assert told["capacity"] == {"input_tokens_s": 10.0, "output_tokens_s": 10.0}
    assert {buyer: one["refused"] for buyer, one in told["buyers"].items()} == {"flood": 1, "quiet": 0, "": 0}
    assert told["buyers"]["quiet"]["output_tokens"] == 40


async def test_on_an_idle_machine_nobody_is_refused(engine: Engine) -> None:
    engine.shares.sell({"flood": 1, "quiet": 1}, 2)
    engine.gate.opened.set()
    many = await asyncio.gather(*(engine.ask("flood") for _ in range(12)))
    assert [each.status_code for each in many] == [200] * 12
    assert engine.standing("flood")["open"] == 0


async def test_whoever_is_gone_before_the_first_byte_holds_no_share(engine: Engine) -> None:
    engine.shares.sell({"pt": 1}, 1)
    body = msgspec.json.encode({"prompt": [5, 6], "max_tokens": 40, "user": "pt", "stream": True})
    scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "POST", "path": "/v1/completions"}
    before = engine.standing("pt")["left_s"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_: Any) -> None:
        assert engine.standing("pt")["open"] == 1
        raise OSError("gone")

    with pytest.raises((ClientDisconnect, OSError)):
        await engine.app({**scope, "headers": [], "query_string": b""}, receive, send)
    assert (engine.standing("pt")["open"], engine.standing("pt")["answers"]) == (0, 0)
    assert engine.standing("pt")["left_s"] == pytest.approx(before)


@pytest.mark.parametrize("body", [{"units": {"a": 0}, "sold": 1}, {"units": {}, "sold": -1}, {"sold": 1}])
async def test_what_is_no_sale_is_refused(engine: Engine, body: dict[str, Any]) -> None:
    assert (await engine.client.post("/outcrop/throughput", json=body)).status_code == 400
