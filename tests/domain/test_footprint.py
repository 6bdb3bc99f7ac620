"""Peak memory is within a quarter of what real training processes held, and tokens and steps are exact."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from counts import Counts
from outcrop.domain.machine import Machine
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
