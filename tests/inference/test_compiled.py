"""The compiled pass and its twin in torch give the same numbers, and company changes no bit of the compiled ones."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from outcrop.inference import compiled
from outcrop.inference.adapter import Adapter
from outcrop.inference.cache import Cache
from outcrop.inference.compiled import CompiledNetwork
from outcrop.inference.models import Network
from outcrop.inference.network import TorchNetwork
from outcrop.inference.panels import rounded, whole
from outcrop.inference.places import Patched, Place
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.weights import read_tensors

CPU = torch.device("cpu")
ROWS, LENGTH = 24, 64
GROUP = 64  # inputs that share a scale: decoder.cpp's own

pytestmark = pytest.mark.skipif(compiled.library() is None, reason="there is no C++ compiler")


@pytest.fixture(scope="module")
def config(checkpoint: Path) -> LlamaConfig:
    return LlamaConfig.load(checkpoint)


@pytest.fixture(scope="module")
def fast(checkpoint: Path, config: LlamaConfig) -> CompiledNetwork:
    return CompiledNetwork(config, read_tensors(checkpoint))


@pytest.fixture(scope="module")
def twin(checkpoint: Path, config: LlamaConfig) -> TorchNetwork:
    return TorchNetwork(config, read_tensors(checkpoint), CPU)


def text(row: int) -> list[int]:
    return [random.Random(row).randrange(4, 320) for _ in range(LENGTH)]


def run(network: Network, config: LlamaConfig, steps: Sequence[Sequence[Place]], adapter: Adapter | None) -> Tensor:
    """Logits of the last step's tokens; the odd rows of each step, which come last, run through the adapter."""
    cache = Cache(config, ROWS * LENGTH, CPU)
    cache.prepare((), ROWS, LENGTH)
    states = torch.empty(0)
    for places in steps:
        tokens = [text(place.row)[at] for place in places for at in range(place.start, place.start + place.count)]
        plain = sum(place.count for place in places if place.row % 2 == 0)
        patched = [] if adapter is None else [Patched(plain, len(tokens), network.fit(adapter))]
        with torch.inference_mode():
            states = network.forward(tokens, places, cache, patched)
    return network.logits(states)


def evens_first(places: list[Place]) -> list[Place]:
    return sorted(places, key=lambda place: (place.row % 2, place.row))


@pytest.mark.parametrize("rows", [1, 2, 5, 16, 17, ROWS])
@pytest.mark.parametrize("name", ["a", "c"])
def test_the_compiled_pass_equals_its_twin(
    fast: CompiledNetwork, twin: TorchNetwork, config: LlamaConfig, adapters: dict[str, Path], rows: int, name: str
) -> None:
    adapter = Adapter.load(adapters[name], config, CPU)
    prompts = evens_first([Place(row, 0, 3 + 2 * row) for row in range(rows)])
    nexts = evens_first([Place(row, 3 + 2 * row, 1 + row % 3) for row in range(rows)])
    found = [run(network, config, [prompts, nexts], adapter) for network in (fast, twin)]
    torch.testing.assert_close(*found, atol=2e-4, rtol=2e-4)


def test_company_and_pieces_change_no_bit(
    fast: CompiledNetwork, config: LlamaConfig, adapters: dict[str, Path]
) -> None:
    adapter = Adapter.load(adapters["b"], config, CPU)
    alone = run(fast, config, [[Place(1, 0, 30)], [Place(1, 30, 1)]], adapter)
    pieces = run(fast, config, [[Place(1, 0, 7)], [Place(1, 7, 23)], [Place(1, 30, 1)]], adapter)
    company = [Place(row, 0, 19) for row in range(0, ROWS, 2)]
    beside = run(fast, config, [[*company, Place(1, 0, 30)], [Place(0, 19, 1), Place(1, 30, 1)]], adapter)
    assert torch.equal(alone[-1], pieces[-1])
    assert torch.equal(alone[-1], beside[-1])


def test_eight_bits_are_what_their_scales_say(fast: CompiledNetwork, checkpoint: Path, config: LlamaConfig) -> None:
    tensors = read_tensors(checkpoint)
    assert tensors["lm_head.weight"].shape[0] == config.vocabulary_size
    left = {
        name: whole(*rounded(tensor, GROUP), GROUP) if "proj" in name or "lm_head" in name else tensor
        for name, tensor in tensors.items()
    }
    steps = [[Place(row, 0, 9 + row) for row in range(0, ROWS, 2)]]
    found = run(CompiledNetwork(config, tensors, eight_bits=True), config, steps, None)
    wanted = run(TorchNetwork(config, left, CPU), config, steps, None)
    torch.testing.assert_close(found, wanted, atol=2e-4, rtol=2e-4)
    assert not torch.allclose(found, run(fast, config, steps, None), atol=1e-3)
