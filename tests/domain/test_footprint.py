"""Peak memory is within a quarter of what real training processes held, and tokens and steps are exact."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from counts import Counts
from outcrop.domain.footprint import BYTES, GENERAL, HELD_ROWS_BYTES, OWN, Engine
from outcrop.domain.machine import Machine, Precision
from outcrop.modeling import fused, general
from outcrop.training.batches import PIECE_TOKENS
from outcrop.training.sources import BUFFER_BYTES
from outcrop.worker.machine import measure

FEW = (0, 3)  # an adapter and all weights, of the pebble's size: five seconds together


def _benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "estimate.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_estimates", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


BENCHMARK = _benchmark()
CASES = range(len(BENCHMARK.GRID)) if Counts().full else FEW


@pytest.fixture(scope="module")
def machine() -> Machine:
    return measure(threads=1)


@pytest.mark.parametrize("case", [BENCHMARK.GRID[number] for number in CASES], ids=str)
def test_a_run_holds_what_was_said(case: Any, machine: Machine, tmp_path: Path) -> None:
    outcome = BENCHMARK.run_case(case, tmp_path, machine)
    assert outcome.exact
    assert 0.75 < outcome.memory_ratio < 1.25, outcome.to_dict()


@pytest.mark.parametrize("engine", [OWN, GENERAL], ids=["own", "general"])
def test_the_table_says_what_the_engines_do(engine: Engine) -> None:
    """Tokens, rows and bytes at once are set by constants of theirs, and every type has a size."""
    assert engine.piece_tokens == PIECE_TOKENS
    assert engine.head_rows == fused.HEAD_ROWS == general.HEAD_ROWS
    assert HELD_ROWS_BYTES == BUFFER_BYTES
    assert BYTES.keys() == set(get_args(Precision))
