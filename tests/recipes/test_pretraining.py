"""A run of the pebble that was cut off goes on to the bit, and its state is whole whenever it is killed."""

import dataclasses
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from outcrop.domain.errors import CheckpointError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))


def _rows(seed: int) -> list[Any]:
    """Two rows of text and two of lessons."""
    from pebble.material import Row

    chance = torch.Generator().manual_seed(seed)
    rows = []
    for length, first_learnt in ((40, 1), (24, 1), (30, 15), (17, 9)):
        ids = torch.randint(0, 96, (length,), generator=chance)
        rows.append(Row(ids, torch.arange(length) >= first_learnt))
    return rows


def _training(kind: str = "muon") -> Any:
    from pebble.pretraining import SHAPE, Pretraining, Schedule, new_model

    shape = replace(SHAPE, vocabulary_size=96, hidden_size=64, intermediate_size=96, layers=2, heads=2,
                    key_value_heads=1, head_size=32)  # fmt: skip
    return Pretraining(new_model(shape, 3), Schedule(warm_up_steps=2), 2, kind)


def _losses(training: Any, tokens: int) -> list[Any]:
    from pebble.pretraining import Budget

    first = training.spent.steps
    return list(training.run(map(_rows, range(first, 99)), Budget(tokens=tokens)))


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_run_that_goes_on_has_the_losses_of_one_that_was_never_cut_off(tmp_path: Path, kind: str) -> None:
    from pebble.pretraining import Spent
    from pebble.unfinished import State, load_state, save_state

    whole = _losses(_training(kind), tokens=888)
    assert len(whole) == 8
    cut = _training(kind)
    before = []
    for losses in cut.run(map(_rows, range(99)), _budget(888)):
        before.append(losses)
        if len(before) == 3:
            break
    spent = dataclasses.asdict(cut.spent)
    save_state(
        State(tensors=cut.tensors(), recipe={"seed": 1}, spent=spent, material=3, marks=1, log_bytes=5), tmp_path
    )
    kept = load_state(tmp_path, {"seed": 1})
    assert kept is not None
    assert (kept.material, kept.marks, kept.log_bytes) == (3, 1, 5)
    again = _training(kind)
    again.restore(kept.tensors, Spent(**kept.spent))
    assert before + _losses(again, tokens=888) == whole
    forgetful = _training(kind)
    forgetful.restore({name: kept.tensors[name] for name in kept.tensors if name.startswith("model.")}, cut.spent)
    assert before + _losses(forgetful, tokens=888) != whole, "the optimizers' memory counts"


def _budget(tokens: int) -> Any:
    from pebble.pretraining import Budget

    return Budget(tokens=tokens)


def test_losses_are_told_of_text_and_of_lessons() -> None:
    (losses,) = _losses(_training(), tokens=1)
    assert losses.text_tokens == 39 + 23
    assert losses.lesson_tokens == 15 + 8
    assert losses.mean == pytest.approx(4.56, abs=0.15)  # as good as a guess among 96


def test_a_state_of_another_recipe_is_refused_with_what_differs(tmp_path: Path) -> None:
    from pebble.unfinished import State, forget_state, load_state, save_state

    assert load_state(tmp_path, {"seed": 1}) is None
    save_state(State(tensors={}, recipe={"seed": 1}, spent={}, material=0, marks=0, log_bytes=0), tmp_path)
    with pytest.raises(CheckpointError, match="another seed"):
        load_state(tmp_path, {"seed": 2})
    forget_state(tmp_path)
    assert load_state(tmp_path, {"seed": 2}) is None


WRITER = """
import sys, torch
from pathlib import Path
from pebble.unfinished import State, save_state
for number in range(1, 10**9):
    tensors = {"x": torch.full((400_000,), float(number))}
    save_state(State(tensors=tensors, recipe={}, spent={}, material=number, marks=0, log_bytes=0), Path(sys.argv[1]))
    print(number, flush=True)
"""


def test_a_state_is_whole_when_the_run_is_killed_while_it_writes(tmp_path: Path) -> None:
    from pebble.unfinished import load_state

    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={"PYTHONPATH": f"{ROOT}/recipes:{ROOT}/src"}) as writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(5)]
        writer.send_signal(signal.SIGKILL)
    kept = load_state(tmp_path, {})
    assert kept is not None
    assert kept.material >= said[-1]
    assert torch.equal(kept.tensors["x"], torch.full((400_000,), float(kept.material)))


def test_what_a_killed_run_wrote_after_its_state_leaves_the_log(tmp_path: Path) -> None:
    from pebble.log import Log, read_log

    first = Log(tmp_path / "log.jsonl")
    first.add(step=1)
    length = first.on_disk()
    first.add(step=2, loss=3.5)
    first.close()
    again = Log(tmp_path / "log.jsonl", length)
    again.add(step=2, loss=3.25)
    again.close()
    assert read_log(tmp_path / "log.jsonl") == [{"step": 1}, {"step": 2, "loss": 3.25}]


def test_the_learning_rate_rises_stays_and_falls_to_nearly_nothing() -> None:
    from pebble.pretraining import Schedule

    schedule = Schedule(peak=2.0, warm_up_steps=10, decay=0.5, last=0.01)
    rising = [schedule.learning_rate(step, 0.0) for step in range(10)]
    assert rising == sorted(rising)
    assert rising[0] == pytest.approx(0.2)
    assert rising[-1] == schedule.learning_rate(50, 0.5) == 2.0
    falling = [schedule.learning_rate(50, done / 100) for done in range(50, 101)]
    assert falling == sorted(falling, reverse=True)
    assert schedule.learning_rate(50, 0.75) == pytest.approx(1.0)
    assert schedule.learning_rate(50, 1.0) == pytest.approx(0.02)


def test_a_budget_is_used_up_when_the_first_of_its_limits_is() -> None:
    from pebble.pretraining import Budget, Spent

    spent = Spent(steps=3, tokens=500, cpu_s=30.0, wall_s=45.0)
    assert Budget(tokens=1000).done(spent) == 0.5
    assert Budget(tokens=1000, wall_s=60.0).done(spent) == 0.75
    assert Budget(cpu_s=20.0).done(spent) == 1.0


def test_rows_are_shared_out_evenly_and_none_is_lost() -> None:
    from pebble.pretraining import shared_out

    rows = [row for seed in range(6) for row in _rows(seed)]
    shares = shared_out(rows, 3)
    sizes = [sum(len(row.ids) for row in share) for share in shares]
    assert max(sizes) - min(sizes) <= 40
    assert sorted(map(id, rows)) == sorted(id(row) for share in shares for row in share)
    assert len(shared_out(rows[:1], 3)) == 1
