"""A model that had to make room is waited for, and whoever loads models is told; other missing ones are refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from outcrop.domain.model_units import Capacity
from outcrop.inference.desk import Desk
from outcrop.inference.face import Parts, create_app
from outcrop.inference.loading import Wishes, load_engine
from outcrop.inference.prefixes import BLOCK
from outcrop.inference.prompts import Prompts
from outcrop.inference.recalls import Recalls
from outcrop.inference.scheduler import Scheduler
from outcrop.inference.shares import Shares
from outcrop.inference.shelf import BASE, Shelf
from outcrop.text import Tokenizer

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def parts(checkpoint: Path) -> AsyncIterator[Parts]:
    """An engine that has no room for a model that may go, but the newest."""
    wishes = Wishes(rows=4, cache_bytes=2**24, prefix_bytes=2**20, models_bytes=0)
    loaded = load_engine(checkpoint, torch.device("cpu"), wishes)
    shares = Shares(Capacity(input_tokens_s=1e6, output_tokens_s=1e6), loaded.limits.rows)
    desk = Desk(Scheduler(loaded.limits, frozenset(), shares, loaded.prefixes), loaded.doer, shares)
    desk.open()
    yield Parts(
        desk=desk, models=loaded.models, prompts=Prompts(Tokenizer.load(checkpoint)), limits=loaded.limits,
        shares=shares, prefixes=loaded.prefixes,
    )  # fmt: skip
    await desk.close()


def client_of(parts: Parts) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(parts)), base_url="http://e")


@pytest.fixture
async def client(parts: Parts, adapters: dict[str, Path]) -> AsyncIterator[httpx.AsyncClient]:
    """Of an engine that holds `a`, then `b`."""
    async with client_of(parts) as opened:
        for name in ("a", "b"):
            await load(opened, name, adapters[name])
        yield opened


async def load(client: httpx.AsyncClient, name: str, folder: Path) -> None:
    body = {"lora_name": name, "lora_path": str(folder)}
    (await client.post("/v1/load_lora_adapter", json=body)).raise_for_status()


async def shelve(client: httpx.AsyncClient, *evictable: str) -> dict[str, Any]:
    said: dict[str, Any] = (await client.post("/outcrop/shelf", json={"evictable": evictable})).json()
    return said


async def ask(client: httpx.AsyncClient, model: str) -> httpx.Response:
    body = {"model": model, "prompt": [0, *range(4, 4 + 2 * BLOCK)], "max_tokens": 8, "temperature": 0}
    return await client.post("/v1/completions", json=body)


async def listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {model["id"]: model for model in (await client.get("/v1/models")).json()["data"]}


async def test_an_evicted_model_answers_as_before_once_it_is_loaded_again(
    client: httpx.AsyncClient, adapters: dict[str, Path]
) -> None:
    before = (await ask(client, "a")).json()["choices"]
    known = (await listed(client))["a"]
    assert known["pinned"] and known["bytes"] > 0 and known["largest_logit_change"] > 0
    await ask(client, "b")  # who was asked for last stays
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


async def memory(client: httpx.AsyncClient) -> dict[str, Any]:
    said: dict[str, Any] = (await client.get("/outcrop/memory")).json()
    return said


async def test_a_prompt_is_found_again_by_the_same_weights_alone_and_answers_are_the_same(
    client: httpx.AsyncClient, adapters: dict[str, Path]
) -> None:
    said = {name: (await ask(client, name)).json()["choices"] for name in ("base", "a", "b")}
    assert said["a"] != said["base"] != said["b"]
    assert (await memory(client))["prefixes"]["found_tokens"] == 0
    for name, choices in said.items():
        assert (await ask(client, name)).json()["choices"] == choices
    assert (await memory(client))["prefixes"]["found_tokens"] == 3 * 2 * BLOCK


async def test_a_name_that_is_given_to_other_weights_finds_nothing_of_the_old_ones(
    client: httpx.AsyncClient, adapters: dict[str, Path]
) -> None:
    of_b = (await ask(client, "b")).json()["choices"]
    await ask(client, "a")
    await load(client, "a", adapters["b"])
    assert (await ask(client, "a")).json()["choices"] == of_b
    found = (await memory(client))["prefixes"]["found_tokens"]
    assert found == 2 * BLOCK  # of b, whose weights they are
    await load(client, "a", adapters["c"])
    assert (await ask(client, "a")).json()["choices"] != of_b
    assert (await memory(client))["prefixes"]["found_tokens"] == found


async def test_what_models_take_is_told(client: httpx.AsyncClient) -> None:
    told = (await memory(client))["models"]
    sizes = {name: model["bytes"] for name, model in (await listed(client)).items()}
    assert told == {"bytes": sizes["a"] + sizes["b"], "most_bytes": 0, "count": 2}


async def test_what_nobody_brings_is_refused_in_the_end(parts: Parts, client: httpx.AsyncClient) -> None:
    await shelve(client, "a")
    async with client_of(replace(parts, recalls=Recalls(wait_s=0.0))) as impatient:
        answer = await ask(impatient, "a")
        assert (answer.status_code, "not loaded" in answer.text) == (404, True)
        assert (await shelve(impatient, "a"))["wanted"] == []


async def test_what_was_never_here_is_refused_at_once(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "nobody")).status_code == 404
    assert (await shelve(client, "nobody"))["wanted"] == []


class Arriving(Shelf[Any]):
    """A model that had to go is loaded again just when somebody has looked for it and found nothing."""

    def evicted(self) -> list[str]:
        self.put("a", self.find(BASE))
        return super().evicted()


@dataclass
class Brought:
    shelf: Shelf[Any]

    def load(self, name: str, folder: Path) -> None:
        raise AssertionError("nobody asks for it")


async def test_what_arrives_between_two_looks_is_answered(parts: Parts) -> None:
    shelf = Arriving(parts.models.shelf.find(BASE))
    async with client_of(replace(parts, models=Brought(shelf))) as client:
        assert (await ask(client, "a")).status_code == 200
