"""The training benchmark refuses to compare programs that did not do the same work."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A part of the benchmark by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: importlib.import_module(f"training_peers.{name}")


def test_rows_that_were_cut_or_left_out_end_the_comparison(part: Any) -> None:
    step = part("programs").Step(loss=1.0, real=30, trained=9, examples=2, computed=40)
    given = SimpleNamespace(rows=("a", "b", "c", "d"), tokens=60, learnt=18)
    require = part("measuring").require_equal_work
    require("peer", [step, step], given, 1)
    require("peer", [step] * 4, given, 2)
    for found in ([step], [step, step, step]):
        with pytest.raises(SystemExit, match="peer did other work"):
            require("peer", found, given, 1)


def test_losses_that_differ_by_more_than_rounding_end_the_comparison(part: Any) -> None:
    measuring = part("measuring")
    runs = {name: SimpleNamespace(mean_loss=loss, first_losses=(loss,)) for name, loss in (("a", 8.0), ("b", 8.0002))}
    measuring.require_equal_maths(runs)
    measuring.require_equal_loss(runs["a"], runs["b"])
    runs["c"] = SimpleNamespace(mean_loss=8.01, first_losses=(8.01,))
    with pytest.raises(SystemExit, match="the same loss"):
        measuring.require_equal_maths(runs)
    with pytest.raises(SystemExit, match="not the same training"):
        measuring.require_equal_loss(runs["a"], runs["c"])


def test_the_least_work_is_what_a_hand_count_gives(part: Any) -> None:
    """One layer, one row of two tokens, one of them learnt, every weight trained."""
    ceiling = part("ceiling")
    sizes = ceiling.Sizes(hidden=4, intermediate=8, layers=1, vocabulary=10, rank=None)
    qkv, output, mlp, head = 2 * 4 * 12, 2 * 4 * 4, 2 * 3 * 4 * 8, 2 * 4 * 10
    attention = 3.5 * (2 * 2 * 4 * 2 / 2)
    assert ceiling.least_flop(sizes, [2], [1]) == 3 * (qkv + (output + mlp) / 2) + attention + 3 * head / 2
