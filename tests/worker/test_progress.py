"""Progress is computed from what the child says, and says nothing that it does not know."""

from datetime import UTC, datetime, timedelta

import pytest

from outcrop.domain.events import Finished, Resumed, Started, Step, Validation
from outcrop.worker.progress import Progress

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def step(number: int, tokens: int = 10) -> Step:
    return Step(step=number, epoch=number // 50, loss=5.0 - number / 100, learning_rate=0.1, tokens=tokens)


def after(*, steps: int, each_s: float = 1.0, expected_s: float | None = None) -> Progress:
    progress = Progress(expected_s=expected_s)
    progress.take(Started(steps=100, rows=50, trained_tokens_per_epoch=500), BEGIN)
    for number in range(steps):
        progress.take(step(number), BEGIN + timedelta(seconds=each_s * (number + 1)))
    return progress


def test_speed_and_time_left_come_from_the_steps() -> None:
    told = after(steps=20).to_dict("job", [])
    assert (told["stepsDone"], told["steps"], told["trainedTokens"]) == (20, 100, 200)
    assert (told["tokensPerSecond"], told["secondsLeft"]) == (10.0, 80.0)


def test_the_speed_is_that_of_the_last_half_minute() -> None:
    progress = after(steps=50, each_s=1.0)
    now = BEGIN + timedelta(seconds=50)
    for number in range(50, 90):
        now += timedelta(seconds=2)
        progress.take(step(number), now)
    assert progress.tokens_per_second == pytest.approx(5.0)


def test_before_there_is_a_speed_the_estimate_counts() -> None:
    assert after(steps=0, expected_s=42.0).seconds_left == 42.0
    assert after(steps=0).to_dict("job", [])["secondsLeft"] is None


def test_the_last_losses_of_every_validator_are_told() -> None:
    progress = after(steps=1)
    for validator, loss in ((1, 9.0), (0, 3.0), (1, 2.0)):
        progress.take(Validation(step=0, epoch=0, validator=validator, loss=loss), BEGIN + timedelta(seconds=2))
    assert progress.to_dict("job", [])["validationLosses"] == [3.0, 2.0]


def test_an_ended_run_says_so_and_has_no_time_left() -> None:
    progress = after(steps=30)
    finished = Finished(training_loss=1.0, validation_losses=(), steps=30, stopped_early=True)
    progress.take(finished, BEGIN + timedelta(seconds=31))
    told = progress.to_dict("job", [{"what": "resumed"}])
    assert told["ended"] and told["stoppedEarly"] and told["secondsLeft"] == 0.0
    assert told["history"] == [{"what": "resumed"}]


def resumed(*, told_again: int, new: int) -> Progress:
    """Forty steps are told again at once, then each new one takes two seconds."""
    progress = Progress(expected_s=200.0)
    progress.take(Started(steps=100, rows=50, trained_tokens_per_epoch=500), BEGIN)
    progress.take(Resumed(step=40, lost_steps=3), BEGIN)
    for number in range(told_again):
        progress.take(step(number), BEGIN + timedelta(milliseconds=number))
    for number in range(new):
        progress.take(step(told_again + number), BEGIN + timedelta(seconds=2 * (number + 1), milliseconds=39))
    return progress


def test_steps_told_again_after_a_resume_are_not_speed() -> None:
    halfway = resumed(told_again=39, new=0)
    assert halfway.tokens_per_second is None and halfway.seconds_left == pytest.approx(120.0, abs=0.1)
    assert resumed(told_again=40, new=0).tokens_per_second is None
    going = resumed(told_again=40, new=5)
    assert going.tokens_per_second == pytest.approx(5.0) and going.seconds_left == pytest.approx(110.0)
    assert going.trained_tokens == 450
