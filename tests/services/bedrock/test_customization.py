"""Customization jobs as a caller sees them: get, list, stop."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.domain.states import JobStatus, Phase, PhaseStatus
from outcrop.store import jobs

NOVA = "amazon.nova-micro-v1:0:128k"


def refusal(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def names(answer: dict[str, Any]) -> list[str]:
    return [summary["jobName"] for summary in answer["modelCustomizationJobSummaries"]]


def test_a_queued_job_says_all_that_it_was_given(scene: Any, bedrock: Any) -> None:
    given = {
        "clientRequestToken": "token-1",
        "hyperParameters": {"epochCount": "3"},
        "validationDataConfig": {"validators": [{"s3Uri": "s3://rocks/v.jsonl"}]},
        "vpcConfig": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
    }
    arn = scene.queue("tunes", **given)
    answer = bedrock.get_model_customization_job(jobIdentifier=arn)
    del answer["ResponseMetadata"]
    assert answer.pop("hyperParameters")["epochCount"] == "3"
    assert answer == {
        "jobArn": arn,
        "jobName": "tunes",
        "outputModelName": "tunes-model",
        "clientRequestToken": "token-1",
        "roleArn": f"arn:aws:iam::{scene.ground.account}:role/Customizer",
        "status": "InProgress",
        "statusDetails": {phase.value: {"status": "NotStarted"} for phase in Phase},
        "creationTime": scene.at,
        "lastModifiedTime": scene.at,
        "baseModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}",
        "trainingDataConfig": {"s3Uri": "s3://rocks/train.jsonl"},
        "validationDataConfig": given["validationDataConfig"],
        "outputDataConfig": {"s3Uri": "s3://rocks/out/"},
        "customizationType": "FINE_TUNING",
        "vpcConfig": given["vpcConfig"],
    }


def test_a_job_is_got_by_name_and_without_validators_says_so(scene: Any, bedrock: Any) -> None:
    arn = scene.queue("tunes")
    answer = bedrock.get_model_customization_job(jobIdentifier="tunes")
    assert answer["jobArn"] == arn
    assert answer["validationDataConfig"] == {"validators": []}


def test_phases_have_their_true_times(scene: Any, bedrock: Any) -> None:
    scene.queue("tunes")
    claimed = jobs.claim(scene.ground.database, "worker", scene.at, 5.0, 9)
    assert claimed is not None
    later = scene.at + timedelta(seconds=7)
    jobs.set_phase(scene.ground.database, claimed, Phase.VALIDATION, PhaseStatus.IN_PROGRESS, scene.at)
    jobs.set_phase(scene.ground.database, claimed, Phase.VALIDATION, PhaseStatus.COMPLETED, later)
    answer = bedrock.get_model_customization_job(jobIdentifier="tunes")
    assert answer["statusDetails"]["validationDetails"] == {
        "status": "Completed",
        "creationTime": scene.at,
        "lastModifiedTime": later,
    }
    assert answer["lastModifiedTime"] == later


def test_a_completed_job_names_its_model_and_the_computed_losses(scene: Any, bedrock: Any) -> None:
    scene.queue("tunes")
    scene.pass_time(minutes=5)
    job = scene.work(training_loss=1.25, validation_losses=(1.5, 2.5))
    answer = bedrock.get_model_customization_job(jobIdentifier="tunes")
    assert (answer["status"], answer["outputModelArn"], answer["endTime"]) == ("Completed", job.model_arn, scene.at)
    assert answer["trainingMetrics"] == {"trainingLoss": 1.25}
    assert answer["validationMetrics"] == [{"validationLoss": 1.5}, {"validationLoss": 2.5}]
    (summary,) = bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"]
    assert (summary["customModelArn"], summary["customModelName"]) == (job.model_arn, "tunes-model")


def test_a_failed_job_says_why_and_names_no_model(scene: Any, bedrock: Any) -> None:
    scene.queue("tunes")
    scene.work(JobStatus.FAILED, failure_message="train.jsonl:17: not JSON")
    answer = bedrock.get_model_customization_job(jobIdentifier="tunes")
    assert (answer["status"], answer["failureMessage"]) == ("Failed", "train.jsonl:17: not JSON")
    for absent in ("outputModelArn", "trainingMetrics", "validationMetrics", "outputModelKmsKeyArn"):
        assert absent not in answer
    (summary,) = bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"]
    assert "customModelArn" not in summary


def test_a_job_of_another_region_is_unknown_here(scene: Any, bedrock: Any) -> None:
    arn = scene.queue("tunes", "us-west-2")
    for call in (bedrock.get_model_customization_job, bedrock.stop_model_customization_job):
        for identifier in (arn, "tunes"):
            assert refusal(call, jobIdentifier=identifier)[0] == "ResourceNotFoundException"
    assert names(bedrock.list_model_customization_jobs()) == []


def test_a_queued_job_is_stopped_at_once(scene: Any, bedrock: Any) -> None:
    scene.queue("tunes")
    bedrock.stop_model_customization_job(jobIdentifier="tunes")
    assert bedrock.get_model_customization_job(jobIdentifier="tunes")["status"] == "Stopped"


def test_a_running_job_is_stopping_and_cannot_be_stopped_twice(scene: Any, bedrock: Any) -> None:
    scene.queue("tunes")
    jobs.claim(scene.ground.database, "worker", scene.at, 5.0, 9)
    bedrock.stop_model_customization_job(jobIdentifier="tunes")
    assert bedrock.get_model_customization_job(jobIdentifier="tunes")["status"] == "Stopping"
    code, message = refusal(bedrock.stop_model_customization_job, jobIdentifier="tunes")
    assert code == "ConflictException" and "Stopping" in message


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED])
def test_an_ended_job_cannot_be_stopped(scene: Any, bedrock: Any, status: JobStatus) -> None:
    scene.queue("tunes")
    scene.work(status)
    code, message = refusal(bedrock.stop_model_customization_job, jobIdentifier="tunes")
    assert code == "ConflictException" and status in message


def test_lists_filter_and_sort(scene: Any, bedrock: Any) -> None:
    began = scene.at
    for name in ("alpha", "beta", "alphabet"):
        scene.queue(name)
        scene.pass_time(hours=1)
    scene.work()
    listed = bedrock.list_model_customization_jobs
    assert names(listed()) == ["alphabet", "beta", "alpha"]
    assert names(listed(sortBy="CreationTime", sortOrder="Ascending")) == ["alpha", "beta", "alphabet"]
    assert names(listed(nameContains="alpha")) == ["alphabet", "alpha"]
    assert names(listed(nameContains="ALPHA")) == []
    assert names(listed(statusEquals="Completed")) == ["alpha"]
    assert names(listed(statusEquals="InProgress", nameContains="bet")) == ["alphabet", "beta"]
    assert names(listed(creationTimeAfter=began)) == ["alphabet", "beta"]
    assert names(listed(creationTimeBefore=began + timedelta(hours=1))) == ["alpha"]


def test_a_paginator_walks_every_job_while_others_are_queued(scene: Any, bedrock: Any) -> None:
    for n in range(7):
        scene.queue(f"job-{n}")
        scene.pass_time(seconds=1)
    seen: list[str] = []
    pages = bedrock.get_paginator("list_model_customization_jobs").paginate(PaginationConfig={"PageSize": 3})
    for number, page in enumerate(pages):
        seen += names(page)
        scene.queue(f"late-{number}")
    assert seen == [f"job-{n}" for n in reversed(range(7))]


def test_a_page_has_a_hundred_rows_unless_asked(scene: Any, bedrock: Any) -> None:
    with scene.ground.database.write() as connection:
        for n in range(101):
            job = job_number(scene, n)
            jobs.add(connection, job)
    first = bedrock.list_model_customization_jobs()
    assert len(names(first)) == 100
    rest = bedrock.list_model_customization_jobs(nextToken=first["nextToken"])
    assert len(names(rest)) == 1 and "nextToken" not in rest


def job_number(scene: Any, n: int) -> jobs.Job:
    return jobs.Job(
        id=f"{n:012}",
        arn=f"arn:aws:bedrock:us-east-1:{scene.ground.account}:model-customization-job/{NOVA}/{n:012}",
        account=scene.ground.account,
        region="us-east-1",
        name=f"job-{n}",
        model_id=f"m{n:011}",
        model_name=f"model-{n}",
        model_tags={},
        base_model_id=NOVA,
        customization_type="FINE_TUNING",
        role_arn=f"arn:aws:iam::{scene.ground.account}:role/Customizer",
        hyperparameters={},
        training_data={"s3Uri": "s3://rocks/train.jsonl"},
        validation_data={"validators": []},
        output_data={"s3Uri": "s3://rocks/out"},
        phases=jobs.NO_PHASES,
        validation_losses=[],
        created_at=scene.at,
        modified_at=scene.at,
    )


def test_a_token_belongs_to_its_list(scene: Any, bedrock: Any) -> None:
    scene.queue("one"), scene.queue("two")
    listed = bedrock.list_model_customization_jobs
    token = listed(maxResults=1)["nextToken"]
    assert len(names(listed(maxResults=5, nextToken=token))) == 1
    for other in ({"sortOrder": "Ascending"}, {"nameContains": "o"}, {"statusEquals": "InProgress"}):
        code, message = refusal(listed, nextToken=token, **other)
        assert code == "ValidationException" and "nextToken" in message
    assert refusal(scene.client("us-west-2").list_model_customization_jobs, nextToken=token)[0] == "ValidationException"


@pytest.mark.parametrize("token", ["x", "!!!!", "bnVsbA", "WzEsMiwzXQ", "e30", "WyIxIiwiMiIsIjMiXQ", "é"])
def test_a_token_of_nobodys_is_refused(bedrock: Any, token: str) -> None:
    assert refusal(bedrock.list_model_customization_jobs, nextToken=token)[0] == "ValidationException"
