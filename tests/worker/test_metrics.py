"""Metrics reach the bucket while a job trains, and never take much of its time."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Step, Validation
from outcrop.worker.access import Place, RoleAccess
from outcrop.worker.metrics import MetricsFiles

pytestmark = pytest.mark.xdist_group("worker")

TRAINING = "out/training_artifacts/step_wise_training_metrics.csv"


class Clock:
    """Stands still until it is moved; `each_look_s`: how much every look takes."""

    def __init__(self, now: datetime) -> None:
        self.now, self.each_look_s = now, 0.0

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=self.each_look_s)
        return self.now


def _step(number: int) -> Step:
    return Step(step=number, epoch=0, loss=1.0, learning_rate=0.1, tokens=3)


@pytest.fixture
def clock(scene: Any) -> Clock:
    return Clock(scene.ground.clock())


@pytest.fixture
def metrics(scene: Any, clock: Clock) -> MetricsFiles:
    access = RoleAccess(objects=scene.ground.objects, job=scene.queue("job"), clock=scene.ground.clock)
    return MetricsFiles(access, Place("rocks", "out/"), clock)


def test_steps_are_in_the_bucket_two_seconds_later(scene: Any, metrics: MetricsFiles, clock: Clock) -> None:
    metrics.take(_step(0))
    assert TRAINING not in scene.listed()
    clock.now += timedelta(seconds=2)
    metrics.take(_step(1))
    assert scene.read(TRAINING).count(b"\n") == 3
    metrics.take(_step(2))
    assert scene.read(TRAINING).count(b"\n") == 3


def test_files_that_take_long_to_write_are_written_less_often(scene: Any, metrics: MetricsFiles, clock: Clock) -> None:
    clock.each_look_s = 1.0  # so that writing seems to take a second
    metrics.write()
    clock.each_look_s = 0.0
    clock.now += timedelta(seconds=19)
    metrics.take(_step(0))
    assert scene.read(TRAINING).count(b"\n") == 1
    clock.now += timedelta(seconds=1)
    metrics.take(_step(1))
    assert scene.read(TRAINING).count(b"\n") == 3


def test_losses_before_training_stand_apart(scene: Any, metrics: MetricsFiles) -> None:
    metrics.take(Validation(step=-1, epoch=0, validator=0, loss=3.0))
    metrics.write()
    written = [key for key in scene.listed("out/") if "validation" in key]
    assert written == ["out/validation_artifacts/before_training/validation_metrics.csv"]


def test_a_bucket_deleted_while_a_job_trains_fails_it_by_name(scene: Any, metrics: MetricsFiles) -> None:
    scene.ground.objects.remove("rocks", ["train.jsonl"])
    scene.ask("s3", "DeleteBucket", Bucket="rocks")
    with pytest.raises(JobFailure, match=r"perms missing \(PutObject\) for bucket: rocks at key out/.*does not exist"):
        metrics.write()


def test_a_policy_taken_away_while_a_job_trains_counts_at_once(scene: Any, metrics: MetricsFiles) -> None:
    metrics.write()
    scene.ask("iam", "DeleteRolePolicy", RoleName="Customizer", PolicyName="data")
    with pytest.raises(JobFailure, match=r"perms missing \(PutObject\).*role/Customizer may not s3:PutObject"):
        metrics.write()


def test_curves_that_cannot_be_drawn_are_logged_and_end_nothing(
    scene: Any, metrics: MetricsFiles, caplog: pytest.LogCaptureFixture
) -> None:
    """Losses at the edge of what a number can be leave no room for axes."""
    for number, loss in enumerate((0.0, 1.7e308)):
        metrics.take(Step(step=number, epoch=0, loss=loss, learning_rate=0.1, tokens=3))
    metrics.draw()
    assert "cannot be drawn" in caplog.text and not [key for key in scene.listed() if "loss_curve" in key]
    metrics.write()
    assert scene.read(TRAINING).count(b"\n") == 3
