"""Position, means, the best state and the end follow from the steps and validations done, and from nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from outcrop.domain.plan import EarlyStopping, TrainingPlan
from outcrop.training.history import BEFORE, History

MakePlan = Callable[..., TrainingPlan]


@pytest.fixture
def new_history(make_plan: MakePlan) -> Callable[..., History]:
    """Three steps an epoch; the given losses of steps, and of one validator by step."""

    def make(losses: list[float], validations: dict[int, float], **changes: Any) -> History:
        history = History(plan=make_plan(epochs=4, **changes), steps_an_epoch=3)
        history.losses, history.tokens = losses, [10 * (number + 1) for number in range(len(losses))]
        history.validations = {step: (loss,) for step, loss in validations.items()}
        return history

    return make


def test_the_position_is_the_next_steps(new_history: Callable[..., History]) -> None:
    assert [new_history([1.0] * steps, {}).position for steps in (0, 2, 3, 7)] == [(0, 0), (0, 2), (1, 0), (2, 1)]


def test_it_is_over_after_the_last_step_or_where_the_rule_says_so_at_an_epochs_end(
    new_history: Callable[..., History],
) -> None:
    rule = EarlyStopping(threshold=0.1, patience=1)
    worse = {BEFORE: 3.0, 2: 2.0, 5: 2.5}
    assert new_history([1.0] * 12, {BEFORE: 3.0}).over
    assert not new_history([1.0] * 6, worse).over
    assert new_history([1.0] * 6, worse, early_stopping=rule).over
    assert not new_history([1.0] * 7, worse, early_stopping=rule).over
    assert not new_history([1.0] * 6, {BEFORE: 3.0, 2: 2.0, 3: 9.0, 4: 9.0, 5: 1.0}, early_stopping=rule).over


def test_validation_is_due_at_epochs_ends_and_at_every_so_many_steps(new_history: Callable[..., History]) -> None:
    due = [steps for steps in range(1, 10) if new_history([1.0] * steps, {}).validation_is_due]
    every_two = [
        steps for steps in range(1, 10) if new_history([1.0] * steps, {}, validate_every_steps=2).validation_is_due
    ]
    assert (due, every_two) == ([3, 6, 9], [2, 3, 4, 6, 8, 9])


def test_the_best_is_the_first_of_the_lowest_and_never_the_untrained_state(new_history: Callable[..., History]) -> None:
    assert new_history([1.0] * 6, {BEFORE: 0.1, 1: 2.0, 2: 1.5, 5: 1.5}).best_step == 2
    assert new_history([], {BEFORE: 0.1}).best_step is None


def test_the_training_loss_is_the_mean_over_what_its_epoch_has_learnt(new_history: Callable[..., History]) -> None:
    history = new_history([9.0, 9.0, 9.0, 1.0, 2.0], {})
    assert history.training_loss(4) == pytest.approx((1.0 * 40 + 2.0 * 50) / 90)
    assert history.training_loss(2) == pytest.approx(9.0)


def test_it_comes_back_from_its_tensors_to_the_bit(new_history: Callable[..., History]) -> None:
    history = new_history([0.1 + 0.2, 1e-17, 3.0], {BEFORE: 1 / 3, 2: 2 / 3})
    other = new_history([], {})
    other.take(history.tensors())
    assert list(other.events()) == list(history.events()) and len(list(other.events())) == 5
