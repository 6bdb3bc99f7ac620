"""Every compiled step gives its torch twin's numbers, forwards and backwards; without a compiler the twins serve."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from outcrop.modeling import fused, kernels, packed
from outcrop.modeling.compiler import FOLDER_VARIABLE
from outcrop.modeling.packed import Heads, Packed

# Relative to the largest number: what a different order of sums leaves in float32, and rounding to bfloat16.
NEAR = {torch.float32: 3e-6, torch.bfloat16: 2e-2}
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    """Compiled, where it is not yet, when the first test needs it, and not while tests are collected."""
    if kernels.library() is None:
        pytest.skip("no C++ compiler on this machine")


@pytest.fixture
def threads() -> Iterator[None]:
    """What the process computes with is as it was, after the test."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def assert_near(found: torch.Tensor, expected: torch.Tensor, bound: float) -> None:
    assert found.dtype == expected.dtype
    difference = (found.double() - expected.double()).abs().max().item()
    assert difference <= bound * max(1.0, expected.double().abs().max().item())


@TYPES
@pytest.mark.parametrize("update", [True, False], ids=["added", "alone"])
def test_norms_equal_their_twin(dtype: torch.dtype, update: bool) -> None:
    stream, added, weight = numbers(7, 75), numbers(7, 75, dtype=dtype) if update else None, numbers(75)
    found, expected = (step(stream, added, weight, 1e-5, dtype) for step in (kernels.add_norm, fused._add_norm))
    for one, other in zip(found, expected, strict=True):
        assert_near(one, other, NEAR[dtype])
    back = (numbers(7, 75, dtype=dtype), numbers(7, 75) if update else None, *expected[:1], weight, expected[2])
    updated = dtype if update else None
    found, expected = (step(*back, updated) for step in (kernels.add_norm_back, fused._add_norm_back))
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert_near(one, other, NEAR[dtype])


@TYPES
def test_swiglu_equals_its_twin(dtype: torch.dtype) -> None:
    gate_up, gradient = 4 * numbers(9, 90, dtype=dtype), numbers(9, 45, dtype=dtype)
    assert_near(kernels.swiglu(gate_up), fused._swiglu(gate_up), NEAR[dtype])
    assert_near(kernels.swiglu_back(gate_up, gradient), fused._swiglu_back(gate_up, gradient), NEAR[dtype])


@TYPES
@pytest.mark.parametrize("vocabulary", [1, 50, 64, 1001])
def test_cross_entropy_equals_its_twin(dtype: torch.dtype, vocabulary: int) -> None:
    logits, targets = 9 * numbers(11, vocabulary, dtype=dtype), torch.arange(11) % vocabulary
    ours, theirs = logits.clone(), logits.clone()
    assert_near(kernels.cross_entropy(ours, targets), fused._cross_entropy(theirs, targets), 1e-5)
    assert_near(ours, theirs, NEAR[dtype])


@pytest.mark.parametrize("logit", [1e30, -1e30, torch.inf, torch.nan])
def test_a_logit_out_of_bounds_is_not_hidden(logit: float) -> None:
    logits = torch.zeros(1, 40)
    logits[0, 3] = logit
    ours, theirs = logits.clone(), logits.clone()
    found, expected = (
        step(held, torch.tensor([5])) for step, held in ((kernels.cross_entropy, ours), (fused._cross_entropy, theirs))
    )
    torch.testing.assert_close(found, expected, equal_nan=True)


HEADS = [
    pytest.param(Heads(4, 4, 64), id="as many keys"),
    pytest.param(Heads(6, 2, 16), id="grouped"),
    pytest.param(Heads(3, 1, 10), id="one key, an odd size"),
]


@TYPES
@pytest.mark.parametrize("heads", HEADS)
def test_attention_equals_its_twin(dtype: torch.dtype, heads: Heads) -> None:
    rows = Packed.of([torch.zeros(length, dtype=torch.int64) for length in (1, 2, 47, 48, 49, 131, 500)])
    angles = numbers(512, heads.size // 2)
    rope = torch.stack((angles.cos(), angles.sin()))
    qkv = numbers(len(rows.tokens), (heads.queries + 2 * heads.keys) * heads.size, dtype=dtype).requires_grad_()
    gradient = numbers(len(rows.tokens), heads.queries * heads.size, dtype=dtype)
    results = []
    for step in (packed._attend_compiled, packed._attend):
        mixed = step(qkv, rope, rows, heads)
        results.append((mixed, *torch.autograd.grad(mixed, qkv, gradient)))
    for found, expected in zip(*results, strict=True):
        assert_near(found, expected, NEAR[dtype])


@pytest.mark.usefixtures("threads")
def test_threads_change_no_number() -> None:
    heads, rows = Heads(4, 2, 16), Packed.of([torch.zeros(length, dtype=torch.int64) for length in (90, 3, 60)])
    rope, qkv = torch.rand(2, 90, 8), numbers(153, 128).requires_grad_()
    found = []
    for count in (1, 3):
        torch.set_num_threads(count)
        mixed = packed.attend(qkv, rope, rows, heads)
        found.append((mixed, *torch.autograd.grad(mixed.sum(), qkv)))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.fixture
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The library is looked for again, and again after the test."""
    kernels.library.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    kernels.library.cache_clear()


def test_a_switch_keeps_to_torch(afresh: pytest.MonkeyPatch) -> None:
    afresh.setenv(kernels.SWITCH, "off")
    assert not kernels.usable(numbers(2, 2))


def test_without_a_compiler_torch_serves_and_the_log_says_why_once(
    afresh: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    afresh.setenv("PATH", "")
    afresh.setenv(FOLDER_VARIABLE, str(tmp_path / "none was built here"))
    assert not kernels.usable(numbers(2, 2))
    assert not kernels.usable(numbers(2, 2))
    assert [record.message for record in caplog.records] == [
        "Training runs on torch alone, at a lower speed: no C++ compiler is on the path."
    ]


def test_other_numbers_are_torchs() -> None:
    assert not kernels.usable(numbers(2, 2, dtype=torch.float64))
    assert not kernels.usable(torch.empty(2, 2, device="meta"))
