"""Sixty-four clients stream at once over eight models: no error, memory stays flat, who leaves frees a place.

The tiny model answers in no time: what is under load is the face, the desk, the scheduler and the cache.
"""

import json
import random
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from counts import Counts

if TYPE_CHECKING:
    from conftest import EngineProcess

CLIENTS, MODELS = 64, 8
SECONDS = Counts().few_or_full(1, 300)
LEAVES = 0.1  # of the answers are left after their first piece
# What allocators may still take. A leak of a kilobyte an answer is more, in five minutes; a second tells of large ones.
GROWTH_MIB = Counts().few_or_full(96, 24)
TIMES_MEDIAN = 2.0  # the slowest hundredth of first pieces


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer: seconds to its first piece, whether it was left, and what it said of its end."""

    first_s: float
    left: bool
    end: Any


@pytest.fixture
def crowded(engine: "EngineProcess", adapters: dict[str, Path]) -> Iterator[list[str]]:
    """Eight models over one base."""
    folders = list(adapters.values())
    names = [f"crowd{number}" for number in range(MODELS - 1)]
    for number, name in enumerate(names):
        body = {"lora_name": name, "lora_path": str(folders[number % len(folders)])}
        engine.client.post("/v1/load_lora_adapter", json=body).raise_for_status()
    yield ["base", *names]
    for name in names:
        engine.client.post("/v1/unload_lora_adapter", json={"lora_name": name}).raise_for_status()


def crowd(socket: Path, models: list[str], seconds: float) -> list[Heard]:
    """What all clients heard, side by side."""
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(listen, socket, models, number, until) for number in range(CLIENTS)]
        return [answer for client in asking for answer in client.result()]


def listen(socket: Path, models: list[str], number: int, until: float) -> list[Heard]:
    """One client: an answer after the other, one at least, each of a model and a length of its dice's."""
    dice, heard = random.Random(number), list[Heard]()
    transport = httpx.HTTPTransport(uds=str(socket), verify=False)  # nothing is encrypted on a socket of our own
    with httpx.Client(transport=transport, base_url="http://engine", timeout=120) as client:
        while not heard or time.monotonic() < until:
            prompt = [0, *(dice.randrange(4, 320) for _ in range(dice.randrange(60)))]
            body = {"model": dice.choice(models), "prompt": prompt, "max_tokens": dice.randint(8, 32), "stream": True,
                    "temperature": 0.7}  # fmt: skip
            heard.append(one_answer(client, body, leaves=dice.random() < LEAVES))
    return heard


def one_answer(client: httpx.Client, body: dict[str, Any], leaves: bool) -> Heard:
    began, first_s, end = time.monotonic(), 0.0, None
    with client.stream("POST", "/v1/completions", json=body) as answer:
        answer.raise_for_status()
        for line in answer.iter_lines():
            if not line.startswith("data: {"):
                continue
            event = json.loads(line.removeprefix("data: "))
            assert "error" not in event, event
            first_s = first_s or time.monotonic() - began
            end = event["choices"][0]["finish_reason"] or end
            if leaves:
                break
    return Heard(first_s, leaves, end)


def test_a_crowd_is_served_without_error_and_leaves_nothing_behind(
    engine: "EngineProcess", crowded: list[str], counts: Counts, until: Any
) -> None:
    process = psutil.Process(engine.process.pid)
    crowd(engine.socket, crowded, 0.0)  # after which memory has found its size
    warm_mib = resident_mib(process)
    heard = crowd(engine.socket, crowded, SECONDS)
    until(lambda: engine.client.get("/health").json()["answers"] == 0)
    grown_mib = resident_mib(process) - warm_mib
    assert len(heard) >= CLIENTS
    assert all(answer.end in ("stop", "length") for answer in heard if not answer.left)
    assert grown_mib <= GROWTH_MIB
    waits = sorted(answer.first_s for answer in heard)
    told = {"answers": len(heard), "left": sum(answer.left for answer in heard), "seconds": SECONDS,
            "clients": CLIENTS, "models": MODELS, "grown_mib": round(grown_mib, 1),
            "first_piece_median_s": round(statistics.median(waits), 4),
            "first_piece_p99_s": round(waits[int(0.99 * len(waits))], 4)}  # fmt: skip
    counts.record("crowd", told)
    if counts.full:  # a busy moment is most of a second
        assert told["first_piece_p99_s"] <= TIMES_MEDIAN * told["first_piece_median_s"], told


def resident_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 2**20)
