"""What a training child says reaches the user's bucket and the job's row, and no child outlives whoever watched it."""

import csv
import io
import json
import math
from typing import Any

import pytest

from living import await_that
from outcrop.store import jobs
from outcrop.store.jobs import LeaseLost
from outcrop.worker import watch
from outcrop.worker.attempt import Attempt
from outcrop.worker.lease import Lease, StopRequested

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(180)]

SHORT_S = 0.04  # a lease that beats at once
WITHIN_S = 30.0
ARTIFACTS = "training_artifacts"


def artifact(scene: Any, job: jobs.Job, name: str) -> str:
    text: bytes = scene.read(f"out/model-customization-job-{job.id}/{ARTIFACTS}/{name}")
    return text.decode()


def test_every_step_of_the_child_is_a_line_in_the_bucket_and_its_last_word_is_returned(taught: Any) -> None:
    told = artifact(taught.scene, taught.attempt.job, "step_wise_training_metrics.csv")
    rows = list(csv.DictReader(io.StringIO(told)))
    assert [int(row["step_number"]) for row in rows] == list(range(taught.finished.steps))
    assert len(taught.finished.validation_losses) == 1 and math.isfinite(taught.finished.training_loss)
    mean = sum(float(row["training_loss"]) for row in rows) / len(rows)
    assert taught.finished.training_loss == pytest.approx(mean, rel=0.05)  # weighted by tokens, where rows are not
    assert taught.metrics.progress.finished == taught.finished


def test_a_live_view_reads_that_the_run_has_ended_and_what_was_expected_of_it(taught: Any) -> None:
    told = json.loads(artifact(taught.scene, taught.attempt.job, "progress.json"))
    assert told["ended"] and told["stepsDone"] == told["steps"] == taught.finished.steps
    assert taught.metrics.progress.expected_s == taught.scene.job("taught").estimate["estimated"]["seconds"]
    assert artifact(taught.scene, taught.attempt.job, "loss_curve.svg").startswith("<svg")


def test_a_run_is_graded_against_its_estimate_as_soon_as_it_has_ended(taught: Any) -> None:
    graded = taught.scene.job("taught").estimate
    assert graded["actual"]["steps"] == taught.finished.steps
    assert graded["actual"]["trainedTokens"] == taught.metrics.progress.trained_tokens > 0


def test_a_run_that_went_its_way_undisturbed_has_no_history(taught: Any) -> None:
    events = [entry["event"] for entry in taught.scene.job("taught").history]
    assert not {"resumed", "restarted", "checkpoint_damaged"} & {*events}


def test_a_stop_ends_the_child_before_anybody_hears_of_it_and_leaves_the_numbers_so_far(taught: Any) -> None:
    scene = taught.scene
    scene.queue("stopped")
    claimed, ground = scene.claim(), scene.ground
    beat = lambda: jobs.beat(ground.database, claimed, ground.clock(), 60.0)  # noqa: E731  # it is passed on
    with Lease(beat, SHORT_S, LeaseLost, scene.closing) as lease:
        scene.ask("bedrock", "StopModelCustomizationJob", jobIdentifier="stopped")
        await_that(lambda: _stop_is_heard(lease), WITHIN_S, "the stop")
        with pytest.raises(StopRequested):
            watch.train(Attempt(ground, claimed, lease), taught.plan, taught.key)
    assert not list(ground.settings.processes_folder.iterdir())
    header, *rows = artifact(scene, claimed.job, "step_wise_training_metrics.csv").splitlines()
    assert header.startswith("step_number,") and not rows


def _stop_is_heard(lease: Lease) -> bool:
    try:
        lease.check()
    except StopRequested:
        return True
    return False
