"""kill -9 loses no job: it ends Completed and whole, or Failed with a true cause; nothing of the old tree survives."""

import csv
import io
import random
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from counts import Counts
from living import Outcrop, await_that, jsonl, make_role, nova_row, wait_for_job

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills"), pytest.mark.timeout(3000)]

ROWS = 60
EPOCHS = 3
FULL_POINTS, FEW_POINTS = 10, 2
LONGEST_JOB_S = 12.0  # a kill comes at an even spread of moments from the job's creation to this


@pytest.fixture(scope="module")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path_factory.mktemp("home") / "outcrop")
    running.client("s3").create_bucket(Bucket="kills")
    rows = [nova_row(f"What is number {number % 12}?", f"It is {number % 12 * 7}.") for number in range(ROWS)]
    running.client("s3").put_object(Bucket="kills", Key="train.jsonl", Body=jsonl(rows))
    make_role(running, "kills", "KillsRole")
    yield running
    running.stop()


def _points(counts: Counts) -> list[float]:
    """Moments to kill at: spread over the job, a little jitter from a fixed seed."""
    count = counts.few_or_full(FEW_POINTS, FULL_POINTS)
    draw = random.Random(7)
    return [LONGEST_JOB_S * (number + draw.random()) / count for number in range(count)]


def _create(outcrop: Outcrop, name: str) -> dict[str, Any]:
    account = outcrop.client("sts").get_caller_identity()["Account"]
    bedrock = outcrop.client("bedrock")
    bedrock.create_model_customization_job(
        jobName=name,
        customModelName=name,
        roleArn=f"arn:aws:iam::{account}:role/KillsRole",
        baseModelIdentifier="amazon.nova-micro-v1:0:128k",
        trainingDataConfig={"s3Uri": "s3://kills/train.jsonl"},
        validationDataConfig={"validators": [{"s3Uri": "s3://kills/train.jsonl"}]},
        outputDataConfig={"s3Uri": "s3://kills/out"},
        hyperParameters={"epochCount": str(EPOCHS), "batchSize": "1"},
    )
    created: dict[str, Any] = bedrock.get_model_customization_job(jobIdentifier=name)
    return created


def _is_whole(outcrop: Outcrop, name: str) -> None:
    """Completed, with every step in its artifacts, a model that is listed, and no work folder left."""
    bedrock, s3 = outcrop.client("bedrock"), outcrop.client("s3")
    job = wait_for_job(bedrock, name)
    assert job["status"] == "Completed", job.get("failureMessage")
    assert bedrock.get_custom_model(modelIdentifier=name)["modelStatus"] == "Active"
    folder = f"out/model-customization-job-{job['jobArn'][-12:]}/training_artifacts"
    text = s3.get_object(Bucket="kills", Key=f"{folder}/step_wise_training_metrics.csv")["Body"].read().decode()
    steps = [int(row["step_number"]) for row in csv.DictReader(io.StringIO(text))]
    assert steps == list(range(ROWS * EPOCHS))
    await_that(lambda: not (outcrop.home / "work" / job["jobArn"][-12:]).exists(), 5, "the work folder wiped")


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive, f"still alive: {alive}"


def test_the_worker_killed_at_any_point_loses_no_job(outcrop: Outcrop, counts: Counts) -> None:
    for number, point in enumerate(_points(counts)):
        name, began = f"worker-{number}", time.monotonic()
        _create(outcrop, name)
        _wait_until(began + point)
        worker = outcrop.find("outcrop.worker")[0]
        below = worker.children(recursive=True)
        worker.kill()
        _all_gone([worker, *below])
        _is_whole(outcrop, name)


def test_the_training_child_killed_at_any_point_fails_with_a_true_cause_or_completes(
    outcrop: Outcrop, counts: Counts
) -> None:
    bedrock = outcrop.client("bedrock")
    for number, point in enumerate(_points(counts)):
        name, began = f"child-{number}", time.monotonic()
        _create(outcrop, name)
        _wait_until(began + point)
        children = outcrop.find("outcrop.training")
        for child in children:
            child.kill()
        _all_gone(children)
        job = wait_for_job(bedrock, name)
        if job["status"] == "Failed":
            assert "signal 9" in job["failureMessage"]
            assert not (outcrop.home / "models" / job["jobArn"][-12:]).exists()
        else:
            _is_whole(outcrop, name)


def test_the_whole_tree_killed_at_any_point_loses_no_job(outcrop: Outcrop, counts: Counts) -> None:
    for number, point in enumerate(_points(counts)):
        name, began = f"tree-{number}", time.monotonic()
        _create(outcrop, name)
        _wait_until(began + point)
        old = outcrop.kill_tree()
        outcrop.start()
        _all_gone(old)
        _is_whole(outcrop, name)


def test_a_stopped_job_leaves_no_model_and_no_process(outcrop: Outcrop) -> None:
    bedrock = outcrop.client("bedrock")
    _create(outcrop, "stopped")
    await_that(lambda: outcrop.find("outcrop.training"), 60, "a training child")
    bedrock.stop_model_customization_job(jobIdentifier="stopped")
    job = wait_for_job(bedrock, "stopped")
    assert job["status"] == "Stopped"
    assert "outputModelArn" not in job
    assert job["statusDetails"]["trainingDetails"]["status"] == "Stopped"
    assert not outcrop.find("outcrop.training")
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_custom_model(modelIdentifier="stopped")


def test_sigterm_in_the_middle_of_a_job_hands_it_to_the_next_start(outcrop: Outcrop) -> None:
    _create(outcrop, "handed-over")
    await_that(lambda: outcrop.find("outcrop.training"), 60, "a training child")
    outcrop.stop()
    outcrop.start()
    _is_whole(outcrop, "handed-over")
