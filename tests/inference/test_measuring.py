"""The real engine is timed at a full batch, once: what a file remembers is not measured again."""

import json
import time
from pathlib import Path

import pytest
import torch

from outcrop.inference.loading import Loaded, Wishes, load_engine
from outcrop.inference.measuring import FEWEST_STEPS, known_or_measured, measured, read
from outcrop.inference.scheduler import Step

ROWS = 4


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> Loaded:
    return load_engine(checkpoint, torch.device("cpu"), Wishes(rows=ROWS, cache_bytes=2**24))


class Ticks:
    """The engine's own doer, with a clock that says how much a step shall have taken."""

    def __init__(self, loaded: Loaded, pace: float = 1.0) -> None:
        self._doer = loaded.doer
        self._pace = pace
        self.now = 0.0
        self.rows: list[int] = []

    def do(self, step: Step) -> list[int]:
        prompts = any(len(span.tokens) > 1 for span in step.spans)
        self.now += self._pace * (0.1 if prompts else 0.01)
        self.rows.append(len(step.spans))
        return self._doer.do(step)

    def rest(self) -> None:
        pass


def test_rates_are_tokens_of_full_steps_over_their_time(loaded: Loaded) -> None:
    ticks = Ticks(loaded)
    capacity = measured(Loaded(doer=ticks, models=loaded.models, limits=loaded.limits), lambda: ticks.now)
    prompt = min(512 // ROWS, 192 - 16)  # of each row, so that one step has all of them
    assert capacity.input_tokens_s == pytest.approx(ROWS * prompt / 0.1)
    assert capacity.output_tokens_s == pytest.approx(ROWS / 0.01)
    assert set(ticks.rows) == {ROWS}


def test_a_slow_base_is_not_measured_for_long(loaded: Loaded) -> None:
    ticks = Ticks(loaded, pace=100.0)
    capacity = measured(Loaded(doer=ticks, models=loaded.models, limits=loaded.limits), lambda: ticks.now)
    assert len(ticks.rows) == FEWEST_STEPS
    assert capacity.output_tokens_s == pytest.approx(ROWS / 1.0)


def test_a_real_engine_is_measured_alike_twice(loaded: Loaded) -> None:
    capacity = measured(loaded, time.thread_time)
    assert capacity.input_tokens_s > capacity.output_tokens_s > 0
    again = measured(loaded, time.thread_time)
    assert 0.1 < again.output_tokens_s / capacity.output_tokens_s < 10


def test_what_was_kept_is_not_measured_again(loaded: Loaded, tmp_path: Path) -> None:
    file = tmp_path / "capacities" / "this.json"
    first = known_or_measured(file, loaded, time.thread_time)
    assert read(file) == first
    file.write_text(json.dumps({"input_tokens_s": 7.0, "output_tokens_s": 3.0}))
    assert known_or_measured(file, loaded, time.thread_time).input_tokens_s == 7.0
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"input_tokens_s": 0, "output_tokens_s": 1}'])
def test_a_damaged_file_is_measured_again(loaded: Loaded, tmp_path: Path, text: str) -> None:
    file = tmp_path / "capacity.json"
    file.write_text(text)
    assert read(file) is None
    assert known_or_measured(file, loaded, time.thread_time) == read(file)


def test_a_place_that_cannot_be_written_costs_only_the_memory(loaded: Loaded, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert known_or_measured(tmp_path / "file" / "capacity.json", loaded, time.thread_time).input_tokens_s > 0
