"""Peak memory is within a quarter of what real training processes held, and tokens and steps are exact."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from counts import Counts
from outcrop.domain.footprint import (
    BEST_BYTES,
    BYTES,
    GENERAL,
    HELD_ROWS_BYTES,
    OWN,
    Engine,
    Run,
    needed_bytes,
    peak_bytes,
)
from outcrop.domain.machine import Machine, Precision
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.domain.row_statistics import RowStatistics
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


# A billion weights and little else, so that what is held of each shows.
LARGE = ModelShape.from_config(
    {"vocab_size": 32_000, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 18}
    | {"num_attention_heads": 32, "tie_word_embeddings": True, "torch_dtype": "bfloat16"}
)
PLAN = TrainingPlan(
    job_id="job000000001",
    objective="fine_tuning",
    base_checkpoint="",
    training_rows="",
    epochs=1,
    batch_size=1,
    learning_rate=1e-4,
)
ROWS = RowStatistics.of([[False] * 8 + [True] * 8] * 4)


def held(precision: Precision = "float32", whole_parent: bool = False, process_bytes: int = 0, **changes: Any) -> Run:
    return Run(
        shape=LARGE,
        plan=replace(PLAN, precision=precision, **changes),
        rows=ROWS,
        precision=precision,
        on_card=False,
        whole_parent=whole_parent,
        process_bytes=process_bytes,
    )


def test_what_was_measured_of_a_process_counts_in_place_of_what_is_taken_for_it() -> None:
    lighter, heavier = (peak_bytes(held(process_bytes=size * 10**6)) for size in (200, 300))
    assert heavier - lighter == 100 * 10**6
    assert peak_bytes(held()) == peak_bytes(held(process_bytes=OWN.process_bytes))


def test_four_bits_are_answered_for_over_the_whole_base_in_float32() -> None:
    """The frozen weights take half a byte each while they are trained over, and four for their last look."""
    coarse, plain = (held("bfloat16", quantization=how) for how in ("nf4", None))
    float32, bfloat16 = 4 * LARGE.weights, 2 * LARGE.weights
    assert needed_bytes(coarse) > float32 and peak_bytes(coarse) > float32 + LARGE.stored_bytes * LARGE.weights
    assert bfloat16 < needed_bytes(plain) < float32


def test_a_parents_whole_weights_are_there_three_times_while_they_are_taken() -> None:
    """As the model's own, as the file's bytes and as tensors; all of them stay float32, though the base alone would
    not."""
    own, parents = (needed_bytes(held("bfloat16", whole_parent=whole)) for whole in (False, True))
    assert own < 3 * LARGE.weights and 12 * LARGE.weights < parents < 13 * LARGE.weights


def test_all_weights_that_are_trained_outweigh_whatever_is_read() -> None:
    assert needed_bytes(held(lora=None)) == needed_bytes(held(lora=None, whole_parent=True)) > 16 * LARGE.weights


def test_a_better_state_is_there_beside_the_best_before_it_takes_its_place() -> None:
    """Where rows are short, that is more than a step has at its widest."""
    kept, last = (needed_bytes(held(lora=None, keep_best=keep, validation_rows=("rows",))) for keep in (True, False))
    assert BEST_BYTES * LARGE.weights < kept - last <= 2 * BEST_BYTES * LARGE.weights


def test_an_adapter_alone_needs_no_second_reading() -> None:
    assert needed_bytes(held(lora=LoraPlan())) < 6 * LARGE.weights
