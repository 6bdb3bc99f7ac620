"""Checkpoints come when they are due, take little time, and cost the training nothing where they fail."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from outcrop.domain.events import CheckpointUnwritten, Resumed
from outcrop.domain.plan import TrainingPlan
from outcrop.sealed import new_key
from outcrop.training.saver import SAVING_SHARE, Saver
from outcrop.training.shelf import Mark, Shelf
from outcrop.training.snapshot import BestState, Snapshot
from outcrop.training.vault import ModelFolder


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def snapshot_of(value: float, best: BestState | None = None) -> Snapshot:
    return Snapshot.of({"losses": torch.tensor([value])}, {"values": torch.full((5,), value)}, best)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Any]:
    return []


@pytest.fixture
def new_shelf(tmp_path: Path) -> Callable[..., Shelf]:
    key = new_key()

    def make(fence: int) -> Shelf:
        return Shelf(folder=tmp_path / str(fence), job_id="job000000001", plan_digest="ab" * 32, key=key)

    return make


@pytest.fixture
def saver(
    new_shelf: Callable[..., Shelf], make_plan: Callable[..., TrainingPlan], told: list[Any], clock: Clock
) -> Iterator[Saver]:
    with Saver(new_shelf(1), make_plan(checkpoint_every_s=30.0), told.append, clock) as saver:
        yield saver


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("step-*"))


def test_nothing_is_copied_before_it_is_due(saver: Saver, clock: Clock) -> None:
    taken = []

    def snapshot() -> Snapshot:
        taken.append(clock.now)
        return snapshot_of(1.0)

    for step, passed_s in enumerate((29.0, 0.9, 0.1, 29.9), start=1):
        clock.now += passed_s
        saver.offer(step, snapshot)
    assert taken == [130.0]


def test_what_takes_long_to_save_is_saved_less_often(saver: Saver, clock: Clock) -> None:
    def slow() -> Snapshot:
        clock.now += 2.0
        return snapshot_of(1.0)

    clock.now += 30
    saver.offer(1, slow)
    settled(saver)
    clock.now += SAVING_SHARE * 2.0 - 0.1
    saver.offer(2, slow)
    assert saver._writing is None
    clock.now += 5.0  # and the seconds that the writing itself took, which are few
    saver.offer(3, slow)
    assert saver._writing is not None


def settled(saver: Saver) -> None:
    """The writing is done, and heard of."""
    assert saver._writing is not None
    saver._writing.result()
    saver._settle()


def test_two_are_kept_of_all_attempts_and_the_best_state_with_them(
    new_shelf: Callable[..., Shelf], make_plan: Callable[..., TrainingPlan], told: list[Any], tmp_path: Path
) -> None:
    best = BestState(step=2, values=torch.arange(5.0))
    with Saver(new_shelf(1), make_plan(checkpoint_every_steps=1), told.append) as first:
        for step in (1, 2, 3):
            first.offer(step, lambda: snapshot_of(1.0))
    with Saver(new_shelf(2), make_plan(checkpoint_every_steps=1), told.append) as second:
        assert second.resume() is not None
        second.offer(4, lambda: snapshot_of(2.0, best))
    assert (names(tmp_path / "1"), names(tmp_path / "2")) == (["step-00000003"], ["step-00000004"])
    assert told == [Resumed(step=3, lost_steps=0)]
    step, found = new_shelf(3).read(lambda *_: None) or (0, None)
    assert step == 4 and found is not None and found.best is not None
    assert found.best.step == 2 and torch.equal(found.best.values, best.values)


def test_an_attempt_that_lost_its_job_harms_no_later_one(new_shelf: Callable[..., Shelf], tmp_path: Path) -> None:
    new_shelf(2).write(10, snapshot_of(2.0))
    for step in (11, 12, 13):
        new_shelf(1).write(step, snapshot_of(1.0))
    assert names(tmp_path / "2") == ["step-00000010"]


def test_what_another_plan_left_is_kept_and_takes_no_place(new_shelf: Callable[..., Shelf], tmp_path: Path) -> None:
    other = replace(new_shelf(1), plan_digest="cd" * 32)
    for step in (11, 12):
        other.write(step, snapshot_of(1.0))
    for step in (1, 2, 3):
        new_shelf(1).write(step, snapshot_of(2.0))
    assert names(tmp_path / "1") == [f"step-{step:08d}" for step in (2, 3, 11, 12)]


def test_a_disk_that_does_not_answer_this_time_costs_no_checkpoint(
    new_shelf: Callable[..., Shelf], tmp_path: Path
) -> None:
    for step in (1, 2):
        new_shelf(1).write(step, snapshot_of(1.0))
    state = tmp_path / "1" / "step-00000002" / "state"
    state.rename(tmp_path / "away")
    state.mkdir()  # to read it is an error of the system, and nothing is altered
    said: list[tuple[int, str]] = []
    found = new_shelf(2).read(lambda step, cause: said.append((step, cause)))
    assert found is not None and found[0] == 1
    assert said == [(2, "it cannot be read: Is a directory")]
    assert names(tmp_path / "1") == ["step-00000001", "step-00000002"]


def test_a_checkpoint_that_lacks_a_part_is_damaged(new_shelf: Callable[..., Shelf], tmp_path: Path) -> None:
    shelf = new_shelf(1)
    shelf.write(1, snapshot_of(1.0))
    shelf._checkpoint(shelf.folder, 2).write({"best": {"values": torch.zeros(1)}})
    said: list[str] = []
    found = shelf.read(lambda step, cause: said.append(cause))
    assert found is not None and found[0] == 1 and said == ["it lacks a part of the state"]
    assert names(tmp_path / "1") == ["step-00000001"]


def test_a_disk_that_refuses_the_mark_ends_no_job(new_shelf: Callable[..., Shelf], tmp_path: Path) -> None:
    (tmp_path / "1").write_text("in the way")
    mark = Mark(new_shelf(1))
    mark.put(3)
    mark.close()


def test_no_key_is_printed(new_shelf: Callable[..., Shelf]) -> None:
    shelf = new_shelf(1)
    printed = repr(shelf) + repr(shelf._checkpoint(shelf.folder, 1)) + repr(ModelFolder(shelf.folder, "m", shelf.key))
    assert repr(shelf.key) not in printed


def test_a_snapshot_does_not_change_with_what_it_was_taken_of() -> None:
    values = torch.zeros(3)
    taken = Snapshot.of({}, {"values": values}, None)
    values += 1
    assert taken.optimizer["values"].tolist() == [0, 0, 0]


def test_what_dropout_draws_after_a_snapshot_is_drawn_again() -> None:
    taken = snapshot_of(1.0)
    first = torch.rand(4)
    torch.rand(9)
    taken.restore_random_state()
    assert torch.equal(torch.rand(4), first)


def test_a_disk_that_refuses_a_checkpoint_is_told_once_and_leaves_nothing(
    new_shelf: Callable[..., Shelf], make_plan: Callable[..., TrainingPlan], told: list[Any], tmp_path: Path
) -> None:
    with Saver(new_shelf(1), make_plan(checkpoint_every_steps=1), told.append) as saver:
        (tmp_path / "1" / "step-00000001").write_text("in the way: a folder cannot take its place")
        (tmp_path / "1" / "step-00000002").write_text("as this one")
        for step in (1, 2):
            saver.offer(step, lambda: snapshot_of(1.0))
    assert told == [CheckpointUnwritten(step=1, cause="Not a directory")]
    assert not list((tmp_path / "1").glob(".*"))
