"""Batch inference as a script written for Bedrock does it: boto3, files in S3, poll, read the answers."""

import json
from typing import Any

import pytest

from living import SERVICE_S, await_that, jsonl
from world import BUCKET, COLOURS, SYSTEM, World, question

pytestmark = pytest.mark.xdist_group("conformance")
LONG_ROWS = 6000  # no engine answers so many before it is told to stop
ENDS = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")


def asked(number: int, **members: Any) -> dict[str, Any]:
    turn = {"role": "user", "content": [{"text": question(number)}]}
    limits = {"temperature": 0, "maxTokens": 8}
    return {
        "recordId": f"CALL{number:07d}",
        "modelInput": {"messages": [turn], "system": SYSTEM, "inferenceConfig": limits, **members},
    }


def create(world: World, name: str, model: str, uri: str, **given: Any) -> str:
    arn: str = world.client("bedrock").create_model_invocation_job(
        jobName=name,
        roleArn=world.role,
        modelId=model,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": uri, "s3InputFormat": "JSONL"}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/batch-out/"}},
        **given,
    )["jobArn"]
    return arn


def ended(world: World, arn: str) -> dict[str, Any]:
    bedrock = world.client("bedrock")

    def found() -> dict[str, Any] | None:
        job: dict[str, Any] = bedrock.get_model_invocation_job(jobIdentifier=arn)
        return job if job["status"] in ENDS else None

    job: dict[str, Any] = await_that(found, SERVICE_S, "the end of the batch job")
    return job


def read(world: World, arn: str, name: str) -> str:
    key = f"batch-out/{arn.rsplit('/', 1)[1]}/{name}"
    text: str = world.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
    return text


def test_a_custom_model_answers_a_batch_from_its_own_weights(world: World, nova_model: str) -> None:
    uri = world.put("batch/colours.jsonl", jsonl([asked(number) for number in range(4)]))
    arn = create(world, "colours", nova_model, uri, modelInvocationType="Converse")
    job = ended(world, arn)
    assert job["status"] == "Completed", job.get("message")
    lines = [json.loads(line) for line in read(world, arn, "colours.jsonl.out").splitlines()]
    said = [line["modelOutput"]["output"]["message"]["content"][0]["text"].strip() for line in lines]
    assert said == list(COLOURS)
    manifest = json.loads(read(world, arn, "manifest.json.out"))
    assert manifest["successRecordCount"] == job["successRecordCount"] == 4


def test_a_caller_is_answered_while_a_long_batch_runs_and_stopping_it_keeps_what_was_answered(world: World) -> None:
    bedrock, runtime = world.client("bedrock"), world.client("bedrock-runtime")
    long = [asked(number, inferenceConfig={"temperature": 0, "maxTokens": 400}) for number in range(LONG_ROWS)]
    arn = create(world, "long", "amazon.nova-micro-v1:0", world.put("batch/long.jsonl", jsonl(long)))

    def answered() -> int:
        count: int = bedrock.get_model_invocation_job(jobIdentifier=arn).get("processedRecordCount", 0)
        return count

    await_that(answered, SERVICE_S, "some answers")
    turn = {"role": "user", "content": [{"text": "Colour?"}]}
    answer = runtime.converse(modelId="amazon.nova-micro-v1:0", messages=[turn], inferenceConfig={"maxTokens": 4})
    assert answer["usage"]["outputTokens"] >= 1
    bedrock.stop_model_invocation_job(jobIdentifier=arn)
    job = ended(world, arn)
    assert job["status"] == "Stopped"
    lines = read(world, arn, "long.jsonl.out").splitlines()
    assert 1 <= len(lines) == job["processedRecordCount"] < LONG_ROWS
    [listed] = bedrock.list_model_invocation_jobs(statusEquals="Stopped", nameContains="long")["invocationJobSummaries"]
    assert listed["jobArn"] == arn
