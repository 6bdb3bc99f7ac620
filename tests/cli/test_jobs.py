"""`outcrop jobs` shows a job's life in a terminal and without one, and its end in the exit status."""

import io
import signal
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from living import Outcrop, jsonl, make_role, nova_row, wait_for_job
from outcrop.cli.jobs import _screen
from outcrop.cli.live import View

pytestmark = pytest.mark.xdist_group("cli")

REGION, BUCKET, NOVA = "ap-southeast-2", "watched", "amazon.nova-micro-v1:0:128k"
ROWS = [nova_row(f"What is number {number}?", f"It is {number * 7}.") for number in range(40)]

LONG = 150  # times those rows: a job of them runs until it is stopped, on any machine


class Bench:
    """A bucket and a role, to queue jobs with."""

    def __init__(self, outcrop: Outcrop) -> None:
        self.home, self.bedrock = outcrop.home, outcrop.client("bedrock", REGION)
        s3 = outcrop.client("s3", REGION)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="good.jsonl", Body=jsonl(ROWS))
        s3.put_object(Bucket=BUCKET, Key="long.jsonl", Body=jsonl(ROWS * LONG))
        s3.put_object(Bucket=BUCKET, Key="check.jsonl", Body=jsonl(ROWS[:8]))
        s3.put_object(Bucket=BUCKET, Key="bad.jsonl", Body=b"not json\n")
        self.role = make_role(outcrop, BUCKET, "WatchedRole")

    def queue(self, name: str, data: str = "good.jsonl", **more: Any) -> str:
        members: dict[str, Any] = {
            "jobName": name,
            "customModelName": name,
            "roleArn": self.role,
            "baseModelIdentifier": NOVA,
            "trainingDataConfig": {"s3Uri": f"s3://{BUCKET}/{data}"},
            "outputDataConfig": {"s3Uri": f"s3://{BUCKET}/out"},
            "hyperParameters": {"epochCount": "2", "batchSize": "1"},
        }
        arn: str = self.bedrock.create_model_customization_job(**{**members, **more})["jobArn"]
        return arn


@pytest.fixture(scope="module")
def bench(outcrop: Outcrop) -> Bench:
    return Bench(outcrop)


@pytest.fixture(scope="module")
def good(bench: Bench) -> str:
    validators = {"validators": [{"s3Uri": f"s3://{BUCKET}/check.jsonl"}]}
    return bench.queue("watched-good", validationDataConfig=validators)


@pytest.fixture(scope="module")
def bad(bench: Bench, good: str) -> str:
    return bench.queue("watched-bad", "bad.jsonl")


def test_a_job_is_watched_to_its_good_end(bench: Bench, good: str, run: Any) -> None:
    ended = run("jobs", "watch", "--home", bench.home, "--region", REGION, "--every", "0.1", good)
    assert ended.status == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[-1].startswith("watched-good: Completed, training loss ") and "validation loss" in lines[-1]
    assert any(line.startswith("training") for line in lines)
    assert "│" in ended.out and "●" in ended.out  # the curve, and what was validated
    assert "\x1b" not in ended.out


def test_a_job_that_fails_is_told_and_ends_the_watch_with_1(bench: Bench, bad: str, run: Any) -> None:
    ended = run("jobs", "watch", "--home", bench.home, "--region", REGION, "--every", "0.1", "watched-bad")
    assert ended.status == 1
    assert ended.out.splitlines()[-1] == "watched-bad: Failed" and "Unable to parse bad.jsonl" in ended.err


def test_show_tells_all_of_a_job(bench: Bench, good: str, run: Any) -> None:
    wait_for_job(bench.bedrock, "watched-good")
    ended = run("jobs", "show", "--home", bench.home, "--region", REGION, "watched-good")
    assert ended.status == 0
    for words in (good, "Completed", "epochCount=2", "training loss", "80 steps, ", "estimated", "actual"):
        assert words in ended.out


def test_jobs_are_listed_the_newest_first(bench: Bench, good: str, bad: str, run: Any) -> None:
    for job in ("watched-good", "watched-bad"):
        wait_for_job(bench.bedrock, job)
    ended = run("jobs", "list", "--home", bench.home, "--region", REGION)
    assert [line.split()[:2] for line in ended.out.splitlines()[1:]] == [
        ["watched-bad", "Failed"],
        ["watched-good", "Completed"],
    ]
    only = run("jobs", "list", "--home", bench.home, "--region", REGION, "--status", "Failed")
    assert "watched-good" not in only.out and "watched-bad" in only.out


def test_a_job_that_does_not_exist_is_one_sentence(bench: Bench, run: Any) -> None:
    ended = run("jobs", "watch", "--home", bench.home, "--region", REGION, "nobody")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("outcrop: An error occurred (ResourceNotFoundException)")


def test_a_job_that_was_stopped_ends_the_watch_with_1(bench: Bench, run: Any) -> None:
    bench.queue("watched-stopped")
    bench.bedrock.stop_model_customization_job(jobIdentifier="watched-stopped")
    ended = run("jobs", "watch", "--home", bench.home, "--region", REGION, "--every", "0.1", "watched-stopped")
    assert ended.status == 1
    assert ended.out.splitlines()[-1].startswith("watched-stopped: Stopped")


def test_who_leaves_hears_that_the_job_goes_on(bench: Bench) -> None:
    bench.queue("watched-left", "long.jsonl", hyperParameters={"epochCount": "5", "batchSize": "1"})
    command = [sys.executable, "-m", "outcrop.cli", "jobs", "watch", "--home", bench.home, "--region", REGION]
    with subprocess.Popen([*command, "watched-left"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
        assert watching.stdout is not None and watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=30)
    assert watching.returncode == 130
    assert said.decode() == "Left watched-left, which goes on; hint: outcrop jobs watch watched-left\n"
    bench.bedrock.stop_model_customization_job(jobIdentifier="watched-left")  # it did go on
    assert wait_for_job(bench.bedrock, "watched-left")["status"] == "Stopped"


JOB = View(
    job={"jobName": "a-job", "status": "InProgress", "statusDetails": {"trainingDetails": {"status": "InProgress"}}},
    progress={"stepsDone": 30, "steps": 84, "epoch": 0, "trainingLoss": 0.25, "validationLosses": [3.5]}
    | {"tokensPerSecond": 95.0, "secondsLeft": 360.0, "history": [{"what": "resumed"}]},
    training=[(1.0, 2.0), (30.0, 0.25)],
    validation=[(1.0, 3.5)],
)


@pytest.mark.parametrize(("width", "height"), [(50, 12), (60, 20), (80, 24), (120, 30)])
def test_the_screen_has_a_line_for_each_thing_and_fits(width: int, height: int) -> None:
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    lines = [
        "".join(segment.text for segment in line).rstrip()
        for line in console.render_lines(_screen(JOB, console), pad=False)
    ]
    assert len(lines) <= height and all(len(line) <= width for line in lines)
    (bar,) = (line for line in lines if "━" in line)
    assert set(bar) <= set("━╸╺")  # and nothing of the curve beside it
    assert any(line.endswith("│●") for line in lines) and lines[-1].strip() == "training loss by step, validation ●"
    assert " ".join(lines).replace("  ", " ").count("(1 event on the way)") == 1


@pytest.mark.parametrize("every", ["0", "-1", "nan", "1e9"])
def test_a_pace_that_is_none_is_a_usage_error(run: Any, every: str) -> None:
    ended = run("jobs", "watch", "--every", every, "nobody")
    assert ended.status == 2 and "--every" in ended.err


def test_looking_at_jobs_loads_neither_the_store_nor_an_engine() -> None:
    """What makes a command slow to start stays with those who need it."""
    heavy = "{'sqlalchemy', 'torch', 'PIL', 'outcrop.store', 'outcrop.worker.estimating'}"
    said = f"import sys, outcrop.cli.jobs; sys.exit(str({heavy} & sys.modules.keys()))"
    ended = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=False)
    assert ended.stderr.strip() == "set()"
