"""A job says what it will take before it trains, refuses what cannot fit, and is graded when it has ended."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.effort import Data
from outcrop.domain.errors import JobFailure
from outcrop.domain.estimate import Question, estimate
from outcrop.domain.footprint import CARD_BYTES
from outcrop.domain.machine import Machine
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.row_statistics import RowStatistics
from outcrop.domain.states import JobStatus
from outcrop.families.catalogue import PEBBLE
from outcrop.store import jobs
from outcrop.worker import estimating
from outcrop.worker.estimating import Expectation
from outcrop.worker.machine import fingerprint
from outcrop.worker.planning import threads

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(120)]

ARTIFACTS = "training_artifacts"
NOTHING_FITS = " No batchSize and no row length would fit."


def artifact(scene: Any, job: jobs.Job, name: str) -> bytes:
    found: bytes = scene.read(f"out/model-customization-job-{job.id}/{ARTIFACTS}/{name}")
    return found


def test_a_completed_job_is_graded_against_its_estimate(scene: Any) -> None:
    job = scene.work("graded", hyperParameters={"epochCount": "2"})
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    assert job.estimate == json.loads(artifact(scene, job, "estimate.json"))
    estimated, actual, ratio = (job.estimate[part] for part in ("estimated", "actual", "ratio"))
    assert estimated["fits"] and estimated["rows"] == 8 and estimated["seconds"] > 0
    assert (ratio["steps"], ratio["trainedTokens"]) == (1.0, 1.0)
    assert 0.75 < estimated["peakBytes"] / actual["peakBytes"] < 1.25  # as benchmarks/estimate.py has it
    assert ratio["seconds"] == pytest.approx(actual["seconds"] / estimated["seconds"], abs=1e-3)
    progress = json.loads(artifact(scene, job, "progress.json"))
    assert progress["ended"] and progress["stepsDone"] == progress["steps"] == estimated["steps"]
    assert progress["trainedTokens"] == actual["trainedTokens"] and progress["history"] == []
    assert artifact(scene, job, "loss_curve.svg").startswith(b"<svg")
    assert artifact(scene, job, "loss_curve.png").startswith(b"\x89PNG")


def test_a_plan_that_cannot_fit_fails_before_it_trains_and_says_what_is_missing(scene: Any, tmp_path: Path) -> None:
    """The config claims a trillion weights; none of them lies in the file, and none is looked for."""
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "vast"))
    claimed = json.loads((PEBBLE / "config.json").read_text()) | {"hidden_size": 65536, "num_hidden_layers": 400}
    (folder / "config.json").write_text(json.dumps(claimed))
    scene.ground.catalogue().map("amazon.nova-micro-v1:0", folder)
    job = scene.work("vast")
    assert job.status is JobStatus.FAILED and job.failure_message is not None
    assert job.failure_message.startswith("The training would need about ")
    assert "GB are the most that a job can have on this machine" in job.failure_message
    assert job.failure_message.endswith(NOTHING_FITS)
    assert job.phases["dataProcessingDetails"]["status"] == "Failed"
    assert job.phases["trainingDetails"]["status"] == "NotStarted"
    assert job.estimate is not None and not job.estimate["estimated"]["fits"] and "actual" not in job.estimate


def test_a_job_without_room_for_all_activations_computes_its_layers_twice(
    scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remembered card holds what CUDA itself takes: the plan is beyond it, but not by the quarter that refuses."""
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    monkeypatch.setattr("outcrop.worker.machine.CARDS", tmp_path / "gpus")  # the driver lists one
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    settings = scene.ground.settings
    speeds = {"card": "A small card", "card_total_bytes": CARD_BYTES, "process_bytes": 0}
    known = {"speeds": {f"{fingerprint()}/{threads(settings)}": speeds}}
    settings.machine_file.write_text(json.dumps(known))
    job = scene.work("frugal")
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    estimated = job.estimate["estimated"]
    assert (estimated["memory"], estimated["fits"], estimated["recompute"]) == ("A small card", False, True)


def test_a_machine_is_measured_once_for_a_home(scene: Any) -> None:
    scene.work("first")
    kept = scene.ground.settings.machine_file.read_text()
    scene.work("second")
    assert json.loads(scene.ground.settings.machine_file.read_text())["speeds"] == json.loads(kept)["speeds"]


def expectation(*, free: int, most: int) -> Expectation:
    plan = TrainingPlan(
        job_id="",
        objective="fine_tuning",
        base_checkpoint=str(PEBBLE),
        training_rows="",
        epochs=1,
        batch_size=8,
        learning_rate=1e-4,
    )
    shape = estimating.shape_of(PEBBLE)
    assert shape is not None
    data = Data(training=RowStatistics.of([[False] * 60 + [True] * 40] * 50))
    question = Question(shape=shape, plan=plan, data=data, machine=Machine(memory_bytes=free, most_bytes=most))
    return Expectation(question=question, estimate=estimate(question))


def test_a_job_is_not_refused_for_what_another_holds_for_a_while() -> None:
    short = expectation(free=1, most=10**10)
    short.require_room()
    assert short.in_words().endswith("free on this machine: does not fit now")
    with pytest.raises(JobFailure, match=r"are the most that a job can have on this machine\. "):
        expectation(free=1, most=1000).require_room()


@pytest.mark.parametrize("odd", [[1, 2], {"text_config": 3}, {"intermediate_size": [8192, 8192]}])
def test_a_checkpoint_of_odd_sizes_has_no_estimate(tmp_path: Path, odd: Any) -> None:
    sizes = json.loads((PEBBLE / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(sizes | odd if isinstance(odd, dict) else odd))
    assert estimating.shape_of(tmp_path) is None
