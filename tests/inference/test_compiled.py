"""The compiled pass and its twin in torch give the same numbers, and company changes no bit of the compiled ones."""

import ctypes
import platform
import random
import subprocess
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from counts import Counts
from outcrop.domain.weights import BF16, FLOAT32, INT8
from outcrop.inference import compiled
from outcrop.inference.adapter import Adapter
from outcrop.inference.cache import Cache
from outcrop.inference.compiled import CompiledNetwork
from outcrop.inference.eight_bits import GROUP, RoundedMatrix
from outcrop.inference.models import Network
from outcrop.inference.network import TorchNetwork
from outcrop.inference.places import Patched, Place
from outcrop.modeling.compiler import found_compiler, processor
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.weights import read_tensors

CPU = torch.device("cpu")
ROWS, LENGTH = 24, 64
ALL_KINDS = {
    "AVX2": ("-march=x86-64-v3", {"avx2"}),
    "no vectors": ("-march=x86-64", set[str]()),
    "AVX-VNNI": ("-march=x86-64-v3 -mavxvnni", {"avx2", "avx_vnni"}),
    "AVX-512 without VNNI": ("-march=x86-64-v4", {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}),
}  # and the one that this machine is
KINDS = dict(list(ALL_KINDS.items())[: Counts().few_or_full(1, len(ALL_KINDS))])
TWINS_MEAN, ROUNDING_MEAN = 1e-3, 0.1  # of the logits' spread

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
    require_that_company_changes_no_bit(fast, config, Adapter.load(adapters["b"], config, CPU))


def require_that_company_changes_no_bit(fast: CompiledNetwork, config: LlamaConfig, adapter: Adapter) -> None:
    alone = run(fast, config, [[Place(1, 0, 30)], [Place(1, 30, 1)]], adapter)
    pieces = run(fast, config, [[Place(1, 0, 7)], [Place(1, 7, 23)], [Place(1, 30, 1)]], adapter)
    company = [Place(row, 0, 19) for row in range(0, ROWS, 2)]
    beside = run(fast, config, [[*company, Place(1, 0, 30)], [Place(0, 19, 1), Place(1, 30, 1)]], adapter)
    assert torch.equal(alone[-1], pieces[-1])
    assert torch.equal(alone[-1], beside[-1])


def require_twins_products(held: ctypes.CDLL) -> None:
    generator = torch.Generator().manual_seed(0)
    for outputs, inputs, count in product((8, 33), (GROUP, 3 * GROUP + 5), (1, 3, 8, 13)):
        weight = RoundedMatrix.of(torch.randn(outputs, inputs, generator=generator))
        tokens = torch.randn(count, inputs, generator=generator) * torch.logspace(-3, 3, inputs)
        tokens[0, :GROUP] = 0.0  # a group without a largest
        found, wanted = compiled.product(held, tokens, weight), weight.product(tokens)
        torch.testing.assert_close(found, wanted, atol=1e-6 * float(wanted.abs().max()), rtol=1e-5)


def test_a_product_in_eight_bits_equals_its_twins() -> None:
    held = compiled.library()
    assert held is not None
    require_twins_products(held)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are x86's")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_processor_finds_the_same_products(kind: str, tmp_path: Path) -> None:
    """Those of less than this machine has, that is: with AVX2 alone, without VNNI, without any."""
    flags, wanted = KINDS[kind]
    if not wanted <= set(processor().split()):
        pytest.skip(f"this processor lacks {wanted}")
    compiler, library = found_compiler(), tmp_path / "decoder.so"
    assert compiler is not None
    words = [compiler, "-std=c++17", "-O1", "-shared", "-fPIC", *flags.split(), "-o", str(library)]
    subprocess.run([*words, str(compiled.SOURCE)], check=True)
    require_twins_products(ctypes.CDLL(str(library)))


def test_the_pass_in_eight_bits_is_its_twins_and_near_the_whole(
    fast: CompiledNetwork, checkpoint: Path, config: LlamaConfig, adapters: dict[str, Path]
) -> None:
    tensors, adapter = read_tensors(checkpoint), Adapter.load(adapters["a"], config, CPU)
    steps = [evens_first([Place(row, 0, 9 + row) for row in range(9)])]
    found = run(CompiledNetwork(config, tensors, weights=INT8), config, steps, adapter)
    twin = run(TorchNetwork(config, tensors, CPU, weights=INT8), config, steps, adapter)
    whole = run(fast, config, steps, adapter)
    spread = float(whole.std())
    # A number on the border of two bytes may fall to either side: no more than that differs from the twin.
    assert float((found - twin).abs().mean()) < TWINS_MEAN * spread
    assert TWINS_MEAN * spread < float((found - whole).abs().mean()) < ROUNDING_MEAN * spread


def test_company_and_pieces_change_no_bit_in_eight_bits(
    checkpoint: Path, config: LlamaConfig, adapters: dict[str, Path]
) -> None:
    network = CompiledNetwork(config, read_tensors(checkpoint), weights=INT8)
    require_that_company_changes_no_bit(network, config, Adapter.load(adapters["b"], config, CPU))


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What bfloat16 leaves of the weights."""
    return {name: tensor.bfloat16().float() for name, tensor in tensors.items()}


def test_the_pass_in_bfloat16_is_to_the_bit_the_one_over_what_it_leaves_of_the_weights(
    checkpoint: Path, config: LlamaConfig, adapters: dict[str, Path]
) -> None:
    """So that a checkpoint that is stored in bfloat16 loses nothing by it."""
    tensors, adapter = halved(read_tensors(checkpoint)), Adapter.load(adapters["a"], config, CPU)
    for rows in (1, 17):
        steps = [evens_first([Place(row, 0, 9 + row) for row in range(rows)])]
        found, whole = (
            run(CompiledNetwork(config, tensors, weights), config, steps, adapter) for weights in (BF16, FLOAT32)
        )
        assert torch.equal(found, whole)
    twin = run(TorchNetwork(config, tensors, CPU, BF16), config, steps, adapter)
    torch.testing.assert_close(found, twin, atol=2e-4, rtol=2e-4)


def test_bfloat16_takes_half_the_memory_of_the_matrices(
    fast: CompiledNetwork, checkpoint: Path, config: LlamaConfig
) -> None:
    tensors = read_tensors(checkpoint)
    in_floats = tensors["model.embed_tokens.weight"].nbytes  # read as they are, beside the matrix of the last product
    small = CompiledNetwork(config, tensors, BF16)
    assert small.size_bytes - in_floats < 0.6 * (fast.size_bytes - in_floats)
