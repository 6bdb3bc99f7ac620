"""What was expected of a job is said before it trains, in row and bucket alike, and graded once it has."""

import json
from typing import Any

import pytest

from outcrop.domain.events import Finished
from outcrop.store import jobs
from outcrop.store.jobs import LeaseLost
from outcrop.worker import foresight
from outcrop.worker.attempt import Attempt
from outcrop.worker.lease import Lease
from outcrop.worker.machine import fingerprint

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(180)]

LEASE_S = 60.0
EXPECTED = {
    "steps": 4,
    "trainedTokens": 100,
    "seconds": 10.0,
    "peakBytes": 1000,
    "plainSeconds": 8.0,
    "startSeconds": 2.0,
    "kind": "lora/float32",
}
FINISHED = Finished(
    training_loss=1.0, validation_losses=(), steps=4, stopped_early=False, peak_bytes=1500, seconds=18.0
)


def attempt_of(scene: Any) -> Attempt:
    """The oldest job's; nobody beats for it, and its lease outlives the test."""
    ground, claimed = scene.ground, scene.claim()
    return Attempt(ground, claimed, Lease(lambda: False, LEASE_S, LeaseLost, scene.closing))


def in_bucket(scene: Any, job: jobs.Job) -> dict[str, Any]:
    text = scene.read(f"out/model-customization-job-{job.id}/training_artifacts/estimate.json")
    found: dict[str, Any] = json.loads(text)
    return found


def grades(scene: Any) -> dict[str, float]:
    """How this machine was graded, by kind of job."""
    file = scene.ground.settings.machine_file
    known = json.loads(file.read_text()) if file.exists() else {}
    found: dict[str, float] = known.get("grades", {}).get(fingerprint(), {})
    return found


def test_what_was_expected_is_said_before_the_run_and_heard_by_whoever_goes_on(taught: Any) -> None:
    said = foresight.expected_of(taught.attempt)
    assert said == taught.scene.job("taught").estimate["estimated"]
    assert (said["rows"], said["epochs"], said["steps"]) == (8, 1, taught.finished.steps) and said["fits"]


def test_of_a_job_without_an_estimate_nothing_is_expected(scene: Any) -> None:
    scene.queue("unknown")
    assert foresight.expected_of(attempt_of(scene)) == {}


def test_a_whole_run_is_graded_in_row_and_bucket_and_teaches_the_next_estimate(scene: Any) -> None:
    scene.queue("graded")
    attempt = attempt_of(scene)
    before = grades(scene)
    foresight.compare(attempt, EXPECTED, FINISHED, 120)
    job = scene.job("graded")
    assert job.estimate == in_bucket(scene, job)
    assert job.estimate["estimated"] == EXPECTED
    assert job.estimate["actual"] == {"steps": 4, "trainedTokens": 120, "seconds": 18.0, "peakBytes": 1500}
    assert job.estimate["ratio"] == {"steps": 1.0, "trainedTokens": 1.2, "seconds": 1.8, "peakBytes": 1.5}
    kind = str(EXPECTED["kind"])
    assert kind not in before and grades(scene)[kind] > 1, "it took twice the time beyond its start"


def test_a_run_that_went_on_from_a_checkpoint_teaches_nothing_of_speed(scene: Any) -> None:
    scene.queue("resumed")
    jobs.release(scene.ground.database, scene.claim())
    attempt = attempt_of(scene)
    assert attempt.job.attempts == 2
    before = grades(scene)
    foresight.compare(attempt, EXPECTED, FINISHED, 100)
    assert "seconds" not in scene.job("resumed").estimate["ratio"]
    assert grades(scene) == before
