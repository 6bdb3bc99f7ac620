"""Batch inference jobs as a caller sees them: create, get, list, stop. No worker runs."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.domain.states import InvocationJobStatus
from outcrop.services.bedrock import invocation_creation
from outcrop.store import invocation_jobs
from outcrop.store.buckets import Buckets

NOVA = "amazon.nova-micro-v1:0"
INPUT = {"s3InputDataConfig": {"s3Uri": "s3://rocks/in/"}}
OUTPUT = {"s3OutputDataConfig": {"s3Uri": "s3://rocks/out/"}}


def request(scene: Any, name: str, **given: Any) -> dict[str, Any]:
    members: dict[str, Any] = {
        "jobName": name,
        "roleArn": f"arn:aws:iam::{scene.ground.account}:role/Customizer",
        "modelId": NOVA,
        "inputDataConfig": INPUT,
        "outputDataConfig": OUTPUT,
    }
    return {**members, **given}


def queue(scene: Any, name: str, region: str = "us-east-1", **given: Any) -> str:
    arn: str = scene.client(region).create_model_invocation_job(**request(scene, name, **given))["jobArn"]
    return arn


def refusal(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def refused(scene: Any, name: str = "asks", region: str = "us-east-1", **given: Any) -> tuple[str, str]:
    return refusal(scene.client(region).create_model_invocation_job, **request(scene, name, **given))


def test_a_queued_job_says_all_that_it_was_given(scene: Any, bedrock: Any) -> None:
    given = {
        "clientRequestToken": "token-1",
        "timeoutDurationInHours": 48,
        "modelInvocationType": "Converse",
        "vpcConfig": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
    }
    arn = queue(scene, "asks", **given)
    assert arn.startswith(f"arn:aws:bedrock:us-east-1:{scene.ground.account}:model-invocation-job/")
    said = {
        "jobArn": arn,
        "jobName": "asks",
        "modelId": NOVA,
        "roleArn": f"arn:aws:iam::{scene.ground.account}:role/Customizer",
        "status": "Submitted",
        "submitTime": scene.at,
        "lastModifiedTime": scene.at,
        "jobExpirationTime": scene.at + timedelta(hours=48),
        "inputDataConfig": INPUT,
        "outputDataConfig": OUTPUT,
        **given,
    }
    for identifier in (arn, arn.rsplit("/", 1)[1]):
        answer = bedrock.get_model_invocation_job(jobIdentifier=identifier)
        del answer["ResponseMetadata"]
        assert answer == said
    assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == [said]


def test_a_job_that_ran_says_its_counts_and_its_end(scene: Any, bedrock: Any) -> None:
    arn = queue(scene, "asks")
    database = scene.ground.database
    claimed = invocation_jobs.claim(database, "worker", scene.at, 5.0, 9)
    assert claimed is not None
    invocation_jobs.set_inputs(database, claimed, [], 9)
    reached = invocation_jobs.Advance(
        position={}, success_records=5, error_records=2, input_tokens=70, output_tokens=30
    )
    invocation_jobs.advance(database, claimed, reached, scene.at)
    ended = scene.at + timedelta(minutes=1)
    invocation_jobs.settle(database, claimed, InvocationJobStatus.PARTIALLY_COMPLETED, "why", ended)
    answer = bedrock.get_model_invocation_job(jobIdentifier=arn)
    assert (answer["status"], answer["message"], answer["endTime"]) == ("PartiallyCompleted", "why", ended)
    counts = [answer[f"{kind}RecordCount"] for kind in ("total", "processed", "success", "error")]
    assert counts == [9, 7, 5, 2]


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("amazon.nova-micro-v1:0:128k", "ValidationException", "on-demand throughput isn"),
        ("arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-micro-v1:0", "ValidationException", "us-west-2"),
        ("amazon.no-such-v1:0", "ResourceNotFoundException", "amazon.no-such-v1:0"),
        ("no-such-custom-model", "ResourceNotFoundException", "no-such-custom-model"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused(scene: Any, model: str, code: str, words: str) -> None:
    said = refused(scene, modelId=model)
    assert said[0] == code
    assert words in said[1]


def test_a_profile_and_a_custom_model_can_be_asked(scene: Any) -> None:
    queue(scene, "profile", modelId="us.amazon.nova-micro-v1:0")
    model = scene.model("mine")
    queue(scene, "custom", modelId=model)
    code, message = refusal(scene.client().delete_custom_model, modelIdentifier=model)
    assert (code, message) == ("ConflictException", "The custom model mine is in use by model invocation job custom.")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://far/in"}}}, "lies in eu-west-1"),
        ({"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://far"}}}, "lies in eu-west-1"),
        (
            {"inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://rocks/in", "s3BucketOwner": "000000000000"}}},
            "s3BucketOwner",
        ),
        ({"roleArn": "arn:aws:iam::123456789012:role/Elsewhere"}, "must be a role of the account"),
        ({"timeoutDurationInHours": 169}, "timeoutDurationInHours"),
        ({"tags": [{"key": "aws:mine", "value": ""}]}, "reserved"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_created(scene: Any, given: dict[str, Any], words: str) -> None:
    Buckets(scene.ground.database).create("far", "eu-west-1", scene.at)
    code, message = refused(scene, **given)
    assert code == "ValidationException"
    assert words in message


def test_a_job_name_is_taken_for_good_in_its_region(scene: Any, bedrock: Any) -> None:
    arn = queue(scene, "asks")
    bedrock.stop_model_invocation_job(jobIdentifier=arn)
    assert refused(scene) == ("ConflictException", "The provided job name is currently in use.")
    queue(scene, "asks", "us-west-2")


def test_the_same_token_and_parameters_make_one_job(scene: Any) -> None:
    first = queue(scene, "asks", clientRequestToken="token-1")
    assert queue(scene, "asks", clientRequestToken="token-1") == first
    code, message = refused(scene, clientRequestToken="token-1", modelInvocationType="Converse")
    assert code == "ValidationException"
    assert "modelInvocationType" in message


def test_tags_given_at_creation_are_there_and_can_be_changed(scene: Any, bedrock: Any) -> None:
    arn = queue(scene, "asks", tags=[{"key": "team", "value": "rocks"}])
    bedrock.tag_resource(resourceARN=arn, tags=[{"key": "stage", "value": "one"}])
    bedrock.untag_resource(resourceARN=arn, tagKeys=["team"])
    assert bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "stage", "value": "one"}]


def test_the_queue_has_an_end(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation_creation, "UNFINISHED_JOBS_LIMIT", 1)
    queue(scene, "one")
    assert refused(scene, "two")[0] == "ServiceQuotaExceededException"


def test_jobs_are_listed_by_time_status_and_name_in_pages(scene: Any, bedrock: Any) -> None:
    for number in range(3):
        queue(scene, f"asks-{number}")
        scene.pass_time(minutes=1)
    stopped = queue(scene, "other")
    bedrock.stop_model_invocation_job(jobIdentifier=stopped)

    def names(**asked: Any) -> list[str]:
        pages = bedrock.get_paginator("list_model_invocation_jobs").paginate(**asked, PaginationConfig={"PageSize": 2})
        return [job["jobName"] for page in pages for job in page["invocationJobSummaries"]]

    assert names() == ["other", "asks-2", "asks-1", "asks-0"]
    assert names(sortOrder="Ascending", nameContains="asks") == ["asks-0", "asks-1", "asks-2"]
    assert names(statusEquals="Stopped") == ["other"]
    assert names(submitTimeAfter=scene.at - timedelta(minutes=2)) == ["other", "asks-2"]
    assert names(submitTimeBefore=scene.at - timedelta(minutes=2)) == ["asks-0"]


def test_a_job_is_stopped_once(scene: Any, bedrock: Any) -> None:
    waiting, running = queue(scene, "waits"), queue(scene, "runs")
    bedrock.stop_model_invocation_job(jobIdentifier=waiting)
    assert bedrock.get_model_invocation_job(jobIdentifier=waiting)["status"] == "Stopped"
    claimed = invocation_jobs.claim(scene.ground.database, "worker", scene.at, 5.0, 9)
    assert claimed is not None and claimed.job.arn == running
    bedrock.stop_model_invocation_job(jobIdentifier=running)
    assert bedrock.get_model_invocation_job(jobIdentifier=running)["status"] == "Stopping"
    assert invocation_jobs.beat(scene.ground.database, claimed, scene.at, 5.0)
    for arn in (waiting, running):
        assert refusal(bedrock.stop_model_invocation_job, jobIdentifier=arn)[0] == "ConflictException"


def test_a_job_of_another_region_is_unknown_here(scene: Any, bedrock: Any) -> None:
    arn = queue(scene, "asks", "us-west-2")
    for call in (bedrock.get_model_invocation_job, bedrock.stop_model_invocation_job):
        for identifier in (arn, arn.rsplit("/", 1)[1]):
            assert refusal(call, jobIdentifier=identifier)[0] == "ResourceNotFoundException"
    assert bedrock.list_model_invocation_jobs()["invocationJobSummaries"] == []
