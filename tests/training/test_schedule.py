"""The rate rises, peaks and falls as the plan says, and no step is wasted."""

from collections.abc import Callable

import pytest

from outcrop.domain.plan import TrainingPlan
from outcrop.training.schedule import Schedule


def rates(make_plan: Callable[..., TrainingPlan], steps: int, **changes: object) -> list[float]:
    schedule = Schedule.of(make_plan(learning_rate=1.0, **changes), steps)
    return [schedule.learning_rate(step) for step in range(steps)]


@pytest.mark.parametrize("shape", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup_steps", [0, 1, 4, 100])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_every_step_learns_and_one_learns_at_the_peak(
    shape: str, warmup_steps: int, steps: int, make_plan: Callable[..., TrainingPlan]
) -> None:
    found = rates(make_plan, steps, warmup_steps=warmup_steps, schedule=shape)
    assert all(0 < rate <= 1 for rate in found)
    assert max(found) == 1


def test_warm_up_rises_evenly(make_plan: Callable[..., TrainingPlan]) -> None:
    assert rates(make_plan, 10, warmup_steps=3)[:4] == [0.25, 0.5, 0.75, 1.0]


def test_linear_falls_evenly(make_plan: Callable[..., TrainingPlan]) -> None:
    assert rates(make_plan, 4) == [1.0, 0.75, 0.5, 0.25]


def test_constant_stays(make_plan: Callable[..., TrainingPlan]) -> None:
    assert rates(make_plan, 5, schedule="constant") == [1.0] * 5


def test_cosine_is_halfway_down_in_the_middle(make_plan: Callable[..., TrainingPlan]) -> None:
    assert rates(make_plan, 4, schedule="cosine")[2] == pytest.approx(0.5)
