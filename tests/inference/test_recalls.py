"""A model that had to make room is waited for, and whoever loads models is told; other missing ones are refused."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from outcrop.domain.model_units import Capacity
from outcrop.inference import recalls
from outcrop.inference.desk import Desk
from outcrop.inference.face import Parts, create_app
from outcrop.inference.loading import Wishes, load_engine
from outcrop.inference.prompts import Prompts
from outcrop.inference.scheduler import Scheduler
from outcrop.inference.shares import Shares
from outcrop.text import Tokenizer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(checkpoint: Path, adapters: dict[str, Path]) -> AsyncIterator[httpx.AsyncClient]:
    """Of an engine that has no room for a model that may go, but the newest; it holds `a`, then `b`."""
    loaded = load_engine(checkpoint, torch.device("cpu"), Wishes(rows=4, cache_bytes=2**24, models_bytes=0))
    shares = Shares(Capacity(input_tokens_s=1e6, output_tokens_s=1e6), loaded.limits.rows)
    desk = Desk(Scheduler(loaded.limits, frozenset(), shares), loaded.doer, shares)
    parts = Parts(
        desk=desk, models=loaded.models, prompts=Prompts(Tokenizer.load(checkpoint)), limits=loaded.limits,
        shares=shares,
    )  # fmt: skip
    desk.open()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(parts)), base_url="http://e") as opened:
        for name in ("a", "b"):
            await load(opened, name, adapters[name])
        yield opened
    await desk.close()


async def load(client: httpx.AsyncClient, name: str, folder: Path) -> None:
    body = {"lora_name": name, "lora_path": str(folder)}
    (await client.post("/v1/load_lora_adapter", json=body)).raise_for_status()


async def shelve(client: httpx.AsyncClient, *evictable: str) -> dict[str, Any]:
    said: dict[str, Any] = (await client.post("/outcrop/shelf", json={"evictable": evictable})).json()
    return said


async def ask(client: httpx.AsyncClient, model: str) -> httpx.Response:
    body = {"model": model, "prompt": [0, 5, 6], "max_tokens": 8, "temperature": 0}
    return await client.post("/v1/completions", json=body)


async def listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in (await client.get("/v1/models")).json()["data"]}


async def test_an_evicted_model_answers_as_before_once_it_is_loaded_again(
    client: httpx.AsyncClient, adapters: dict[str, Path]
) -> None:
    before = (await ask(client, "a")).json()["choices"]
    known = (await listed(client))["a"]
    assert known["pinned"] and known["bytes"] > 0 and known["largest_logit_change"] > 0
    assert await shelve(client, "a") == {"evicted": ["a"], "wanted": []}
    assert set(await listed(client)) == {"base", "b"}
    asking = [asyncio.create_task(ask(client, "a")) for _ in range(3)]
    while (await shelve(client, "a"))["wanted"] != ["a"]:
        await asyncio.sleep(0)
    assert not any(task.done() for task in asking)
    await load(client, "a", adapters["a"])
    for answer in await asyncio.gather(*asking):
        assert answer.json()["choices"] == before
    assert await shelve(client) == {"evicted": [], "wanted": []}
    assert (await listed(client))["a"]["version"] == known["version"]


async def test_what_nobody_brings_is_refused_in_the_end(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalls, "WAIT_S", 0.0)
    await shelve(client, "a")
    answer = await ask(client, "a")
    assert (answer.status_code, "not loaded" in answer.text) == (404, True)
    assert (await shelve(client, "a"))["wanted"] == []


async def test_what_was_never_here_is_refused_at_once(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "nobody")).status_code == 404
    assert (await shelve(client, "nobody"))["wanted"] == []
