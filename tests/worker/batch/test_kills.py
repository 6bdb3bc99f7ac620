"""kill -9 in the middle of a batch: every record has one line in the output, in order, and none was asked in vain."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from batches import NOVA_ON_DEMAND, record
from counts import Counts
from living import Outcrop, await_that, jsonl, make_role

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("kills"), pytest.mark.timeout(1800)]

BUCKET = "batchkills"
ROWS = 3000
FULL_KILLS, FEW_KILLS = 10, 1
VICTIMS = ("outcrop.worker", "outcrop.inference", "the whole tree")


@pytest.fixture(scope="module")
def outcrop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcrop]:
    running = Outcrop(tmp_path_factory.mktemp("home") / "outcrop")
    s3 = running.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="in.jsonl", Body=jsonl([record(number) for number in range(ROWS)]))
    make_role(running, BUCKET)
    yield running
    running.stop()


def create(outcrop: Outcrop, name: str) -> str:
    account = outcrop.client("sts").get_caller_identity()["Account"]
    arn: str = outcrop.client("bedrock").create_model_invocation_job(
        jobName=name,
        roleArn=f"arn:aws:iam::{account}:role/BedrockRole",
        modelId=NOVA_ON_DEMAND,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": f"s3://{BUCKET}/in.jsonl"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/out/"}},
    )["jobArn"]
    return arn


def job_of(outcrop: Outcrop, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = outcrop.client("bedrock").get_model_invocation_job(jobIdentifier=arn)
    return found


def has_answered(outcrop: Outcrop, arn: str, least: int) -> bool:
    return bool(job_of(outcrop, arn).get("processedRecordCount", 0) >= least)


def ended(outcrop: Outcrop, arn: str) -> dict[str, Any] | None:
    job = job_of(outcrop, arn)
    return job if "endTime" in job else None


def kill(outcrop: Outcrop, victim: str) -> None:
    if victim == "the whole tree":
        outcrop.kill_tree()
        outcrop.start()
        return
    for process in outcrop.find(victim):
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("victim", VICTIMS)
def test_no_record_is_lost_or_answered_twice_whatever_is_killed(outcrop: Outcrop, counts: Counts, victim: str) -> None:
    kills = counts.few_or_full(FEW_KILLS, FULL_KILLS)
    beyond = 0
    for number in range(kills):
        arn = create(outcrop, f"{victim.replace('.', '-').replace(' ', '-')}-{number}")
        least = 1 + number * (ROWS // 2) // FULL_KILLS
        await_that(partial(has_answered, outcrop, arn, least), 120, "some answers", every_s=0.05)
        kill(outcrop, victim)
        kept = job_of(outcrop, arn)["processedRecordCount"]
        beyond += least <= kept < ROWS
        job = await_that(partial(ended, outcrop, arn), 180, "the end", every_s=0.2)
        assert job["status"] == "Completed", job.get("message")
        key = f"out/{arn.rsplit('/', 1)[1]}/in.jsonl.out"
        lines = outcrop.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().splitlines()
        assert [json.loads(line)["recordId"] for line in lines] == [f"R{number}" for number in range(ROWS)]
        assert job["successRecordCount"] == job["totalRecordCount"] == ROWS
    assert beyond, "no kill came in the middle of a job"
    counts.record(f"batch_kills_of_{victim.rsplit('.', 1)[-1].replace(' ', '_')}", {"kills": kills, "midway": beyond})
