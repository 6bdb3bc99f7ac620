"""CreateModelCustomizationJob: what it makes, and everything that it refuses."""

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.domain.errors import ValidationException
from outcrop.domain.states import JobStatus
from outcrop.services.bedrock import creation
from outcrop.services.bedrock.admission import check_s3_uri
from outcrop.store import jobs
from outcrop.store.buckets import Buckets
from outcrop.store.keys import Keys, KeyState, KmsKey

NOVA = "amazon.nova-micro-v1:0:128k"
TITAN = "amazon.titan-text-lite-v1:0:4k"
TEACHER = {"teacherModelIdentifier": "meta.llama"}
KEY_ID = "11111111-2222-3333-4444-555555555555"


def refused(scene: Any, code: str = "ValidationException", **given: Any) -> str:
    with pytest.raises(ClientError) as caught:
        scene.queue("tunes", **given)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def job_of(scene: Any, arn: str) -> jobs.Job:
    with scene.ground.database.read() as connection:
        found = jobs.find(connection, "us-east-1", scene.ground.account, arn)
    assert found is not None
    return found


def test_a_job_is_queued_with_an_arn_of_the_right_shape(scene: Any) -> None:
    arn = scene.queue("tunes")
    shape = rf"arn:aws:bedrock:us-east-1:{scene.ground.account}:model-customization-job/{NOVA}/[a-z0-9]{{12}}"
    assert re.fullmatch(shape, arn)
    job = job_of(scene, arn)
    assert job.status is JobStatus.IN_PROGRESS
    assert job.model_id != job.id
    assert job.customization_type == "FINE_TUNING"


def test_every_way_to_name_the_base_leads_to_the_foundation_model(scene: Any) -> None:
    assert job_of(scene, scene.queue("by-id", baseModelIdentifier=NOVA)).base_model_id == NOVA
    foundation = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"
    assert job_of(scene, scene.queue("by-arn", baseModelIdentifier=foundation)).base_model_id == NOVA


def test_training_on_from_a_custom_model_keeps_its_foundation_and_remembers_the_parent(scene: Any) -> None:
    parent = scene.model("slate")
    for name, identifier in (("by-name", "slate"), ("by-arn", parent)):
        job = job_of(scene, scene.queue(name, baseModelIdentifier=identifier))
        assert job.base_model_id == NOVA
        assert job.parent_id == parent.rsplit("/", 1)[1]
        assert f"/{NOVA}/" in job.model_arn


def test_what_names_no_model_is_refused(scene: Any) -> None:
    elsewhere = f"arn:aws:bedrock:eu-west-1::foundation-model/{NOVA}"
    custom = f"arn:aws:bedrock:us-east-1:{scene.ground.account}:custom-model/{NOVA}/abcdefabcdef"
    assert "invalid" in refused(scene, baseModelIdentifier="amazon.nothing-v1:0")
    assert "invalid" in refused(scene, baseModelIdentifier=elsewhere)
    assert "no custom model nobody" in refused(scene, "ResourceNotFoundException", baseModelIdentifier="nobody")
    assert custom in refused(scene, "ResourceNotFoundException", baseModelIdentifier=custom)


def test_a_base_that_is_not_customizable_so_is_refused(scene: Any) -> None:
    message = refused(scene, customizationType="CONTINUED_PRE_TRAINING")
    assert NOVA in message and "CONTINUED_PRE_TRAINING" in message
    scene.queue("pre-trains", baseModelIdentifier=TITAN, customizationType="CONTINUED_PRE_TRAINING")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"customizationType": "DISTILLATION"}, "DISTILLATION"),
        ({"customizationType": "REINFORCEMENT_FINE_TUNING"}, "REINFORCEMENT_FINE_TUNING"),
        ({"customizationType": "IMPORTED"}, "IMPORTED"),
        (
            {
                "customizationConfig": {
                    "distillationConfig": {"teacherModelConfig": {"teacherModelIdentifier": "meta.llama"}}
                }
            },
            "customizationConfig",
        ),
        (
            {"trainingDataConfig": {"invocationLogsConfig": {"invocationLogSource": {"s3Uri": "s3://rocks/logs"}}}},
            "invocation logs",
        ),
    ],
)
def test_what_outcrop_does_not_do_is_never_accepted(scene: Any, given: dict[str, Any], named: str) -> None:
    message = refused(scene, **given)
    assert "Outcrop does not" in message and named in message


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"trainingDataConfig": {}}, "trainingDataConfig.s3Uri"),
        ({"trainingDataConfig": {"s3Uri": "s3://rocks/"}}, "trainingDataConfig.s3Uri"),
        ({"trainingDataConfig": {"s3Uri": "s3://rocks"}}, "trainingDataConfig.s3Uri"),
        (
            {"validationDataConfig": {"validators": [{"s3Uri": "s3://rocks/v.jsonl"}, {"s3Uri": "s3://rocks"}]}},
            "validators.2",
        ),
    ],
)
def test_an_address_that_names_no_object_is_refused(scene: Any, given: dict[str, Any], member: str) -> None:
    assert member in refused(scene, **given)


@pytest.mark.parametrize("uri", ["https://rocks/out", "s3://R/out", "s3:/rocks", "s3://ab"])
def test_a_malformed_output_address_is_refused_without_the_wire_too(uri: str) -> None:
    with pytest.raises(ValidationException, match="outputDataConfig"):
        check_s3_uri("outputDataConfig.s3Uri", uri, names_object=False)


@pytest.mark.parametrize(
    ("given", "member"),
    [
        ({"trainingDataConfig": {"s3Uri": "s3://western/t.jsonl"}}, "trainingDataConfig.s3Uri"),
        ({"outputDataConfig": {"s3Uri": "s3://western"}}, "outputDataConfig.s3Uri"),
        ({"validationDataConfig": {"validators": [{"s3Uri": "s3://western/v.jsonl"}]}}, "validators.1"),
    ],
)
def test_a_bucket_of_another_region_is_refused(scene: Any, given: dict[str, Any], member: str) -> None:
    Buckets(scene.ground.database).create("western", "us-west-2", scene.at)
    message = refused(scene, **given)
    assert member in message and "western" in message and "us-west-2" in message


def test_more_than_ten_validators_are_refused(scene: Any) -> None:
    validators = [{"s3Uri": f"s3://rocks/v{n}.jsonl"} for n in range(11)]
    assert "validators" in refused(scene, validationDataConfig={"validators": validators})
    scene.queue("tunes", validationDataConfig={"validators": validators[:10]})


def test_hyperparameters_are_checked_by_the_family(scene: Any) -> None:
    assert "epochCount" in refused(scene, hyperParameters={"epochCount": "99"})
    assert "epochs" in refused(scene, hyperParameters={"epochs": "2"})
    scene.queue("tunes", hyperParameters={"epochCount": "3", "batchSize": "1"})


def test_a_job_name_is_taken_for_good_in_its_region(scene: Any) -> None:
    scene.queue("tunes")
    scene.work(JobStatus.FAILED)
    message = refused(scene, customModelName="another")
    assert message == "The provided job name is currently in use."
    scene.queue("tunes", "us-west-2")


def test_a_model_name_is_taken_by_a_model_and_by_a_running_job_but_not_by_a_failed_one(scene: Any) -> None:
    scene.queue("first", customModelName="slate")
    assert "model name is currently in use" in refused(scene, customModelName="slate")
    scene.work(JobStatus.FAILED)
    scene.queue("second", customModelName="slate")
    scene.work()
    assert "model name is currently in use" in refused(scene, customModelName="slate")


def test_the_role_must_exist_here_and_trust_bedrock(scene: Any) -> None:
    account = scene.ground.account
    wrong_service = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    stranger = scene.add_role("Stranger", wrong_service)
    assert "does not exist" in refused(scene, roleArn=f"arn:aws:iam::{account}:role/Nobody")
    assert "does not exist" in refused(scene, roleArn=f"arn:aws:iam::{account}:role/other-path/Customizer")
    assert account in refused(scene, roleArn="arn:aws:iam::000000000000:role/Customizer")
    assert "trust policy" in refused(scene, roleArn=stranger)


def test_a_role_under_a_path_and_with_the_walkthroughs_conditions_is_trusted(scene: Any) -> None:
    account = scene.ground.account
    jobs_here = f"arn:aws:bedrock:us-east-1:{account}:model-customization-job/*"
    conditions = {"StringEquals": {"aws:SourceAccount": account}, "ArnEquals": {"aws:SourceArn": jobs_here}}
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "bedrock.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": conditions,
    }
    role = scene.add_role("Bounded", {"Version": "2012-10-17", "Statement": [statement]}, path="/service-role/")
    scene.queue("trusted", roleArn=role)
    statement["Condition"] = {"StringEquals": {"aws:SourceAccount": "000000000000"}}
    other = scene.add_role("Elsewhere", {"Version": "2012-10-17", "Statement": [statement]})
    assert "trust policy" in refused(scene, roleArn=other)


def add_key(scene: Any, state: KeyState = KeyState.ENABLED) -> str:
    arn = f"arn:aws:kms:us-east-1:{scene.ground.account}:key/{KEY_ID}"
    key = KmsKey(
        key_id=KEY_ID, arn=arn, account=scene.ground.account, region="us-east-1", state=state, created_at=scene.at
    )
    Keys(scene.ground.database, scene.ground.master_key).create(key)
    return arn


def test_a_key_is_resolved_to_its_arn(scene: Any) -> None:
    arn = add_key(scene)
    assert job_of(scene, scene.queue("by-id", customModelKmsKeyId=KEY_ID)).kms_key_arn == arn
    assert job_of(scene, scene.queue("by-arn", customModelKmsKeyId=arn)).kms_key_arn == arn


def test_a_key_that_is_missing_or_disabled_is_refused(scene: Any) -> None:
    assert "alias/nobody" in refused(scene, customModelKmsKeyId="alias/nobody")
    add_key(scene, KeyState.DISABLED)
    assert "Disabled" in refused(scene, customModelKmsKeyId=KEY_ID)


def test_tags_of_the_job_and_of_its_model_are_kept_apart(scene: Any, bedrock: Any) -> None:
    job = scene.queue(
        "tunes",
        jobTags=[{"key": "for", "value": "the job"}],
        customModelTags=[{"key": "for", "value": "the model"}],
    )
    model = scene.work().model_arn
    assert bedrock.list_tags_for_resource(resourceARN=job)["tags"] == [{"key": "for", "value": "the job"}]
    assert bedrock.list_tags_for_resource(resourceARN=model)["tags"] == [{"key": "for", "value": "the model"}]


@pytest.mark.parametrize("member", ["jobTags", "customModelTags"])
def test_too_many_tags_are_refused_and_make_no_job(scene: Any, bedrock: Any, member: str) -> None:
    refused(scene, "TooManyTagsException", **{member: [{"key": f"k{n}", "value": ""} for n in range(51)]})
    assert bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"] == []


def test_the_queue_has_an_end(scene: Any) -> None:
    for n in range(creation.UNFINISHED_JOBS_LIMIT):
        scene.queue(f"job-{n}")
    assert "us-east-1" in refused(scene, "ServiceQuotaExceededException")
    scene.queue("elsewhere", "us-west-2")
    scene.work()
    scene.queue("tunes")


def test_the_same_token_and_parameters_make_one_job(scene: Any, bedrock: Any) -> None:
    first = scene.queue("tunes", clientRequestToken="token-1")
    scene.work()
    assert scene.queue("tunes", clientRequestToken="token-1") == first
    assert len(bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"]) == 1
    assert bedrock.get_model_customization_job(jobIdentifier="tunes")["clientRequestToken"] == "token-1"


def test_the_same_token_with_other_parameters_is_refused_naming_them(scene: Any) -> None:
    scene.queue("first", clientRequestToken="token-1", hyperParameters={"epochCount": "2"})
    message = refused(scene, clientRequestToken="token-1", hyperParameters={"epochCount": "3"})
    for name in ("customModelName", "hyperParameters", "jobName"):
        assert name in message
    assert "roleArn" not in message
    scene.queue("first", "us-west-2", clientRequestToken="token-1")
