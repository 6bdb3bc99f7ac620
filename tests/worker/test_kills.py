"""kill -9 loses no job: it ends Completed and whole, or Failed with a true cause; nothing of the old tree survives."""

import contextlib
import csv
import io
import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest

from counts import Counts
from living import Outcrop, await_that, jsonl, make_role, nova_row, wait_for_job

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills"), pytest.mark.timeout(3000)]

ROWS = 60
EPOCHS = 3
MANY_ROWS = 6000  # a job of them trains for minutes on any machine: nobody waits for its end
FULL_POINTS, FEW_POINTS = 10, 2
BEFORE_S = 2.0  # from a job's creation to about its training
TRAINING_S = 4.0  # from the child's start to about its end
MORE_TRIES = 4
TIDY_S = 30.0  # within which what is over is gone


@pytest.fixture(scope="module")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path_factory.mktemp("home") / "outcrop")
    running.client("s3").create_bucket(Bucket="kills")
    rows = [nova_row(f"What is number {number % 12}?", f"It is {number % 12 * 7}.") for number in range(ROWS)]
    for name, data in (("train", rows), ("long", rows * (MANY_ROWS // ROWS))):
        running.client("s3").put_object(Bucket="kills", Key=f"{name}.jsonl", Body=jsonl(data))
    make_role(running, "kills", "KillsRole")
    yield running
    running.stop()


@dataclass(frozen=True)
class Point:
    """A moment to kill at: so long after the job was created, or after its training child was first seen."""

    in_training: bool
    after_s: float

    def reach(self, outcrop: Outcrop) -> None:
        """Wait for the moment."""
        if self.in_training:
            await_that(lambda: outcrop.find("outcrop.training"), 90, "a training child", every_s=0.02)
        time.sleep(self.after_s)


def _points(counts: Counts, only_training: bool = False) -> list[Point]:
    """Moments spread over a job, with a little jitter from a fixed seed; most of them while it trains."""
    count = counts.few_or_full(FEW_POINTS, FULL_POINTS)
    draw = random.Random(7)
    moments = [(number + draw.random()) / count for number in range(count)]
    first_trained = 0 if only_training else (count + 2) // 3
    return [
        Point(number >= first_trained, moment * (TRAINING_S if number >= first_trained else BEFORE_S))
        for number, moment in enumerate(moments)
    ]


def _killed(processes: list[psutil.Process]) -> int:
    """kill -9 of each; how many were still running."""
    hits = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            hits += 1
    return hits


def _create(outcrop: Outcrop, name: str, data: str = "train") -> dict[str, Any]:
    account = outcrop.client("sts").get_caller_identity()["Account"]
    bedrock = outcrop.client("bedrock")
    bedrock.create_model_customization_job(
        jobName=name,
        customModelName=name,
        roleArn=f"arn:aws:iam::{account}:role/KillsRole",
        baseModelIdentifier="amazon.nova-micro-v1:0:128k",
        trainingDataConfig={"s3Uri": f"s3://kills/{data}.jsonl"},
        validationDataConfig={"validators": [{"s3Uri": "s3://kills/train.jsonl"}]},
        outputDataConfig={"s3Uri": "s3://kills/out"},
        hyperParameters={"epochCount": str(EPOCHS), "batchSize": "1", "outcrop.checkpointEverySeconds": "1"},
    )
    created: dict[str, Any] = bedrock.get_model_customization_job(jobIdentifier=name)
    return created


def _begun(outcrop: Outcrop, name: str, point: Point) -> str:
    """The name of a job that has come to the point; where one had ended before, another that is killed sooner."""
    _create(outcrop, name)
    point.reach(outcrop)
    if point.in_training and not outcrop.find("outcrop.training"):
        _is_whole(outcrop, name)
        return _begun(outcrop, f"{name}-sooner", replace(point, after_s=point.after_s / 2))
    return name


def _is_whole(outcrop: Outcrop, name: str) -> None:
    """Completed, with every step once in its artifacts, a model that is listed, and no work folder left."""
    bedrock, s3 = outcrop.client("bedrock"), outcrop.client("s3")
    job = wait_for_job(bedrock, name)
    assert job["status"] == "Completed", job.get("failureMessage")
    assert bedrock.get_custom_model(modelIdentifier=name)["modelStatus"] == "Active"
    folder = f"out/model-customization-job-{job['jobArn'][-12:]}/training_artifacts"
    text = s3.get_object(Bucket="kills", Key=f"{folder}/step_wise_training_metrics.csv")["Body"].read().decode()
    steps = [int(row["step_number"]) for row in csv.DictReader(io.StringIO(text))]
    assert steps == list(range(ROWS * EPOCHS))
    await_that(lambda: not (outcrop.home / "work" / job["jobArn"][-12:]).exists(), TIDY_S, "the work folder wiped")
    attempts, history = _record(outcrop, name)
    assert len(history) >= attempts - 1, "an attempt that went on, or began again, is not in the job's history"


def _record(outcrop: Outcrop, name: str) -> tuple[int, list[dict[str, Any]]]:
    """The job's attempts and its history, as its row has them."""
    with contextlib.closing(sqlite3.connect(outcrop.home / "outcrop.db")) as database:
        attempts, history = database.execute("select attempts, history from jobs where name = ?", (name,)).fetchone()
    return attempts, json.loads(history)


def _until_one_hits(points: list[Point], hits: Callable[[str, Point], bool]) -> tuple[int, int]:
    """How many kills, and how many hit: all points, and where none did, a few more, ever sooner after a start."""
    sooner = [Point(True, TRAINING_S / 4 / 2**number) for number in range(MORE_TRIES)]
    kills = hit = 0
    for kills, point in enumerate([*points, *sooner], start=1):
        hit += hits(str(kills), point)
        if hit and kills >= len(points):
            break
    return kills, hit


def _all_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=TIDY_S)
    assert not alive, f"still alive: {alive}"


def test_the_worker_killed_at_any_point_loses_no_job(outcrop: Outcrop, counts: Counts) -> None:
    def hits(number: str, point: Point) -> bool:
        name = _begun(outcrop, f"worker-{number}", point)
        worker = await_that(lambda: outcrop.find("outcrop.worker"), 30, "a worker")[0]
        below = worker.children(recursive=True)
        trained = bool(outcrop.find("outcrop.training"))
        assert _killed([worker]) == 1
        _all_gone([worker, *below])
        _is_whole(outcrop, name)
        return trained

    kills, in_training = _until_one_hits(_points(counts), hits)
    assert in_training, "no kill came while a child trained"
    counts.record("kills_of_the_worker", {"kills": kills, "while a child trained": in_training})


def test_the_training_child_killed_at_any_point_fails_with_a_true_cause(outcrop: Outcrop, counts: Counts) -> None:
    bedrock, failed = outcrop.client("bedrock"), list[str]()

    def hits(number: str, point: Point) -> bool:
        name = _begun(outcrop, f"child-{number}", point)
        children = outcrop.find("outcrop.training")
        killed = _killed(children)
        _all_gone(children)
        job = wait_for_job(bedrock, name)
        if job["status"] == "Failed":
            failed.append(name)
            assert "signal 9" in job["failureMessage"]
            assert not (outcrop.home / "models" / job["jobArn"][-12:]).exists()
        else:  # the child had said its last word before the kill
            _is_whole(outcrop, name)
        return killed > 0

    _, hit = _until_one_hits(_points(counts, only_training=True), hits)
    assert hit, "no kill hit a training child"
    counts.record("kills_of_the_child", {"kills": hit, "jobs Failed with the signal named": len(failed)})


def test_the_whole_tree_killed_at_any_point_loses_no_job(outcrop: Outcrop, counts: Counts) -> None:
    def hits(number: str, point: Point) -> bool:
        name = _begun(outcrop, f"tree-{number}", point)
        trained = bool(outcrop.find("outcrop.training"))
        old = outcrop.kill_tree()
        outcrop.start()
        _all_gone(old)
        _is_whole(outcrop, name)
        return trained

    kills, in_training = _until_one_hits(_points(counts), hits)
    assert in_training, "no kill came while a child trained"
    counts.record("kills_of_the_tree", {"kills": kills, "while a child trained": in_training})


def test_a_stopped_job_leaves_no_model_and_no_process(outcrop: Outcrop) -> None:
    bedrock = outcrop.client("bedrock")
    _create(outcrop, "stopped", "long")
    await_that(lambda: outcrop.find("outcrop.training"), 60, "a training child")
    bedrock.stop_model_customization_job(jobIdentifier="stopped")
    job = wait_for_job(bedrock, "stopped")
    assert job["status"] == "Stopped"
    assert "outputModelArn" not in job
    assert job["statusDetails"]["trainingDetails"]["status"] == "Stopped"
    assert not outcrop.find("outcrop.training")
    await_that(lambda: not (outcrop.home / "work" / job["jobArn"][-12:]).exists(), TIDY_S, "checkpoints wiped")
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_custom_model(modelIdentifier="stopped")


def test_sigterm_in_the_middle_of_a_job_hands_it_to_the_next_start(outcrop: Outcrop) -> None:
    _create(outcrop, "handed-over")
    await_that(lambda: outcrop.find("outcrop.training"), 60, "a training child")
    outcrop.stop()
    outcrop.start()
    _is_whole(outcrop, "handed-over")
