"""An estimate is arithmetic: exact where it can be, monotone where it cannot, and it names what would fit."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from outcrop.domain.effort import Data, training_flops, validations
from outcrop.domain.errors import CheckpointError
from outcrop.domain.estimate import Question, estimate, grade, what_would_fit, with_room
from outcrop.domain.events import Finished
from outcrop.domain.machine import Machine, graded
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.domain.row_statistics import RowStatistics
from outcrop.families.catalogue import PEBBLE

SMALL = ModelShape.from_config(
    {"vocab_size": 4096, "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4}
    | {"num_attention_heads": 4, "tie_word_embeddings": True, "torch_dtype": "bfloat16"}
)
LARGE = replace(SMALL, hidden_size=8192, intermediate_size=28672, layers=80, heads=64, key_value_heads=8, head_size=128)
ROWS = RowStatistics.of([[False] * 60 + [True] * 40] * 50)
MACHINE = Machine(
    memory_bytes=10**9, most_bytes=2 * 10**9, multiply_flops={"float32": 1e11}, copy_bytes_s=1e10, start_s=1.0
)


def question(shape: ModelShape = SMALL, machine: Machine = MACHINE, **changes: Any) -> Question:
    plan = TrainingPlan(
        job_id="job000000001",
        objective="fine_tuning",
        base_checkpoint="",
        training_rows="",
        **{"epochs": 3, "batch_size": 8, "learning_rate": 1e-4, **changes},
    )
    return Question(shape=shape, plan=plan, data=Data(training=ROWS), machine=machine)


def test_tokens_and_steps_are_exact() -> None:
    said = estimate(question())
    assert (said.steps, said.tokens, said.trained_tokens) == (3 * 7, 3 * 50 * 100, 3 * 50 * 40)


def test_the_pebbles_weights_are_counted_to_the_last() -> None:
    """As many numbers lie in its file, by the file's own header."""
    shape = ModelShape.from_config(json.loads((PEBBLE / "config.json").read_text()))
    weights = (PEBBLE / "model.safetensors").read_bytes()
    header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    sizes = [math.prod(about["shape"]) for name, about in header.items() if name != "__metadata__"]
    assert shape.weights == sum(sizes)


def test_older_names_for_the_same_sizes_are_read() -> None:
    shape = ModelShape.from_config({"vocab_size": 50257, "n_embd": 768, "n_layer": 12, "n_head": 12})
    assert (shape.hidden_size, shape.layers, shape.head_size, shape.intermediate_size) == (768, 12, 64, 3072)


SIZES = {"vocab_size": 4096, "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4}


@pytest.mark.parametrize("raw", [[], "text", {"text_config": [1]}])
def test_a_config_that_is_none_is_said(raw: Any) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is no JSON object"):
        ModelShape.from_config(raw)


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"vocab_size": "many"},
        {"vocab_size": 10, "hidden_size": 0},
        SIZES | {"intermediate_size": [8192] * 4},  # a size a layer
        SIZES | {"num_key_value_heads": "2"},
        SIZES | {"head_dim": [64]},
        SIZES | {"num_hidden_layers": True},
        SIZES | {"num_attention_heads": 4.0},
    ],
)
def test_a_config_without_sizes_is_said(raw: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json states no \w+"):
        ModelShape.from_config(raw)


def test_training_every_weight_takes_six_operations_a_weight_and_token() -> None:
    """What the literature counts, without attention and with every token learnt."""
    everything = RowStatistics(rows=1, tokens=1001, trained_tokens=1000, computed_tokens=1000, longest=1000)
    linear = LARGE.layers * LARGE.layer_weights + LARGE.head_weights
    assert training_flops(LARGE, question(lora=None).plan, everything) == pytest.approx(6 * linear * 1000)


def test_an_adapter_takes_about_two_thirds_of_that() -> None:
    full, lora = (training_flops(LARGE, question(lora=lora).plan, ROWS) for lora in (None, LoraPlan()))
    assert 0.6 < lora / full < 0.7


def test_more_work_takes_more_and_jobs_teach_how_much() -> None:
    once, thrice = (estimate(question(epochs=epochs)).training_s for epochs in (1, 3))
    assert once is not None and thrice == pytest.approx(3 * once)
    asked = question()
    taught = replace(asked, machine=replace(MACHINE, grades={asked.kind: 2.0}))
    assert estimate(taught).training_s == pytest.approx(2 * thrice)


@pytest.mark.parametrize(("every", "times"), [(None, 3), (1, 21), (2, 12), (7, 3), (14, 3), (100, 3)])
def test_each_validation_counts_once(every: int | None, times: int) -> None:
    """Three epochs of seven steps: after step 14 an epoch ends, and every second, seventh or fourteenth step is due."""
    plan = question(validate_every_steps=every).plan
    assert validations(plan, 21) == times
    due = {step for step in range(1, 22) if step % 7 == 0 or (every and step % every == 0)}
    assert validations(plan, 21) == len(due)


def test_validating_more_often_takes_longer() -> None:
    asked = question()
    asked = replace(asked, data=Data(training=ROWS, validation=ROWS))
    often = replace(asked, plan=replace(asked.plan, validate_every_steps=1))
    seldom_s, often_s = estimate(asked).training_s, estimate(often).training_s
    assert seldom_s is not None and often_s is not None and often_s > 2 * seldom_s


def test_a_machine_of_unknown_speed_says_no_time_but_all_else() -> None:
    said = estimate(question(machine=Machine(memory_bytes=10**9, most_bytes=10**9)))
    assert said.seconds is None and said.peak_bytes > 0 and said.steps == 21


def test_grades_follow_the_jobs_and_one_odd_job_moves_them_little() -> None:
    steady = graded(graded(graded(None, 1.5), 1.5), 1.5)
    assert steady == pytest.approx(1.5)
    assert graded(steady, 1000.0) < 2.5
    assert graded(steady, 1.0) < steady


@pytest.mark.parametrize("change", [{"lora": None}, {"batch_size": 16}])
def test_what_needs_more_is_estimated_higher(change: dict[str, Any]) -> None:
    assert estimate(question(**change)).peak_bytes > estimate(question()).peak_bytes


def test_a_full_training_that_does_not_fit_is_told_that_lora_would() -> None:
    shape = replace(SMALL, hidden_size=2048, intermediate_size=8192, layers=16, heads=32, vocabulary_size=128_256)
    asked = question(
        shape=shape, lora=None, batch_size=1, machine=replace(MACHINE, memory_bytes=16 * 10**9, most_bytes=16 * 10**9)
    )
    said = estimate(asked)
    assert not said.fits and said.never_fits
    assert list(what_would_fit(asked)) == ["LoRA instead of full training (outcrop.method lora)"]


def test_a_passing_shortage_is_said_and_a_lasting_one_can_never_fit() -> None:
    peak = estimate(question()).needed_bytes
    short = estimate(question(machine=replace(MACHINE, memory_bytes=1, most_bytes=peak)))
    assert not short.fits and not short.never_fits and not short.to_dict()["fits"]
    assert estimate(question(machine=replace(MACHINE, memory_bytes=1, most_bytes=peak // 2))).never_fits


def test_room_for_the_checkpoints_mapped_file_is_not_needed() -> None:
    shape = replace(SMALL, hidden_size=2048, intermediate_size=8192, layers=16, heads=32, vocabulary_size=128_256)
    said = estimate(question(shape=shape, precision="bfloat16"))
    assert said.peak_bytes > said.needed_bytes > said.peak_bytes - shape.weights * shape.stored_bytes - 1
    room = Machine(memory_bytes=said.needed_bytes, most_bytes=said.needed_bytes)
    assert estimate(question(shape=shape, precision="bfloat16", machine=room)).fits


def test_what_would_fit_does_fit() -> None:
    asked = question(batch_size=32)
    asked = replace(asked, machine=replace(MACHINE, memory_bytes=estimate(asked).needed_bytes - 20_000_000))
    asked = question(batch_size=32, recompute=True)
    asked = replace(asked, machine=replace(MACHINE, memory_bytes=estimate(asked).peak_bytes - 20_000_000))
    changes = list(what_would_fit(asked))
    assert changes[0] == "batchSize 4 instead of 32" and changes[1].startswith("rows of at most 12 tokens")
    assert estimate(with_room(replace(asked, plan=replace(asked.plan, batch_size=4)))).fits


def test_layers_are_computed_twice_only_where_nothing_else_has_room() -> None:
    asked = question(lora=None)
    plain, frugal = (estimate(replace(asked, plan=replace(asked.plan, recompute=again))) for again in (False, True))
    assert frugal.peak_bytes < plain.peak_bytes
    for memory, again in ((plain.peak_bytes, False), (plain.peak_bytes - 1, True), (frugal.peak_bytes, True)):
        found = with_room(replace(asked, machine=replace(MACHINE, memory_bytes=memory)))
        assert found.plan.recompute is again and estimate(found).fits
    assert not with_room(replace(found, machine=MACHINE)).plan.recompute


def test_layers_computed_twice_take_one_more_forward_pass_but_for_the_last_and_the_head() -> None:
    everything = RowStatistics(rows=1, tokens=1001, trained_tokens=1000, computed_tokens=1000, longest=1000)
    once, twice = (
        training_flops(LARGE, replace(question(lora=None).plan, recompute=again), everything) for again in (False, True)
    )
    assert twice - once == pytest.approx(2 * (LARGE.layers - 1) * LARGE.layer_weights * 1000)


def test_what_would_fit_counts_on_layers_computed_twice() -> None:
    asked = question(batch_size=2)
    smaller = replace(asked, plan=replace(asked.plan, batch_size=1, recompute=True))
    asked = replace(asked, machine=replace(MACHINE, memory_bytes=estimate(smaller).peak_bytes))
    assert not estimate(replace(asked, plan=replace(asked.plan, batch_size=1))).fits
    assert next(what_would_fit(asked)) == "batchSize 1 instead of 2"


def test_nothing_fits_where_the_weights_alone_do_not() -> None:
    assert list(what_would_fit(question(shape=LARGE))) == []


def test_a_grade_is_what_happened_over_what_was_said() -> None:
    said = estimate(question())
    assert said.seconds is not None
    finished = Finished(
        training_loss=1.0,
        validation_losses=(),
        steps=21,
        stopped_early=False,
        peak_bytes=2 * said.peak_bytes,
        seconds=said.seconds / 2,
    )
    found = grade(said.to_dict(), finished, said.trained_tokens)
    assert found["ratio"] == {"steps": 1.0, "trainedTokens": 1.0, "seconds": 0.5, "peakBytes": 2.0}
    again = grade(said.to_dict(), finished, said.trained_tokens, resumed=True)
    assert (
        again["ratio"] == {"steps": 1.0, "trainedTokens": 1.0, "peakBytes": 2.0} and again["actual"] == found["actual"]
    )
    assert found["estimated"] == said.to_dict() and found["actual"]["peakBytes"] == 2 * said.peak_bytes
