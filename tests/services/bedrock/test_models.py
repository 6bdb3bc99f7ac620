"""Custom models as a caller sees them: get, list, delete."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

NOVA = "amazon.nova-micro-v1:0:128k"
LLAMA = "meta.llama3-2-1b-instruct-v1:0:128k"


def refusal(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def names(answer: dict[str, Any]) -> list[str]:
    return [summary["modelName"] for summary in answer["modelSummaries"]]


def test_a_model_says_what_its_job_was_given_and_measured(scene: Any, bedrock: Any) -> None:
    arn = scene.model("slate", hyperParameters={"epochCount": "3"})
    answer = bedrock.get_custom_model(modelIdentifier="slate")
    assert answer.pop("hyperParameters")["epochCount"] == "3"
    del answer["ResponseMetadata"]
    job_arn = bedrock.get_model_customization_job(jobIdentifier="job-of-slate")["jobArn"]
    assert answer == {
        "modelArn": arn,
        "modelName": "slate",
        "jobName": "job-of-slate",
        "jobArn": job_arn,
        "baseModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}",
        "customizationType": "FINE_TUNING",
        "trainingDataConfig": {"s3Uri": "s3://rocks/train.jsonl"},
        "validationDataConfig": {"validators": []},
        "outputDataConfig": {"s3Uri": "s3://rocks/out/"},
        "trainingMetrics": {"trainingLoss": 1.0},
        "creationTime": scene.at,
        "modelStatus": "Active",
    }
    assert bedrock.get_custom_model(modelIdentifier=arn)["modelName"] == "slate"


def test_a_model_is_unknown_until_its_job_has_completed(scene: Any, bedrock: Any) -> None:
    scene.queue("tunes", customModelName="slate")
    assert refusal(bedrock.get_custom_model, modelIdentifier="slate")[0] == "ResourceNotFoundException"
    assert names(bedrock.list_custom_models()) == []


def test_a_summary_has_what_the_api_says(scene: Any, bedrock: Any) -> None:
    arn = scene.model("slate")
    assert bedrock.list_custom_models()["modelSummaries"] == [
        {
            "modelArn": arn,
            "modelName": "slate",
            "creationTime": scene.at,
            "baseModelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}",
            "baseModelName": "",
            "customizationType": "FINE_TUNING",
            "ownerAccountId": scene.ground.account,
            "modelStatus": "Active",
        }
    ]


def test_lists_filter_and_sort(scene: Any, bedrock: Any) -> None:
    began = scene.at
    scene.model("alpha")
    scene.pass_time(hours=1)
    scene.model("beta", baseModelIdentifier=LLAMA)
    scene.pass_time(hours=1)
    scene.model("alphabet", baseModelIdentifier="alpha")
    scene.model("elsewhere", "us-west-2")
    nova, llama = (f"arn:aws:bedrock:us-east-1::foundation-model/{base}" for base in (NOVA, LLAMA))
    listed = bedrock.list_custom_models
    assert names(listed()) == ["alphabet", "beta", "alpha"]
    assert names(listed(sortBy="CreationTime", sortOrder="Ascending")) == ["alpha", "beta", "alphabet"]
    assert names(listed(nameContains="alpha")) == ["alphabet", "alpha"]
    assert names(listed(baseModelArnEquals=nova)) == ["alphabet", "alpha"]
    assert names(listed(foundationModelArnEquals=llama)) == ["beta"]
    assert names(listed(foundationModelArnEquals=llama, baseModelArnEquals=nova)) == []
    assert names(listed(foundationModelArnEquals=nova.replace("us-east-1", "us-west-2"))) == []
    assert names(listed(creationTimeAfter=began)) == ["alphabet", "beta"]
    assert names(listed(creationTimeBefore=began + timedelta(hours=1))) == ["alpha"]
    assert names(listed(modelStatus="Active", nameContains="beta")) == ["beta"]
    assert names(listed(modelStatus="Failed")) == []
    assert names(listed(isOwned=True)) == ["alphabet", "beta", "alpha"]
    assert names(listed(isOwned=False)) == []


def test_a_paginator_walks_every_model(scene: Any, bedrock: Any) -> None:
    for n in range(5):
        scene.model(f"m{n}")
    pages = bedrock.get_paginator("list_custom_models").paginate(PaginationConfig={"PageSize": 2})
    assert sorted(name for page in pages for name in names(page)) == [f"m{n}" for n in range(5)]


def test_a_deleted_model_is_gone_and_its_name_is_free(scene: Any, bedrock: Any) -> None:
    arn = scene.model("slate", customModelTags=[{"key": "a", "value": "b"}])
    bedrock.delete_custom_model(modelIdentifier="slate")
    for identifier in ("slate", arn):
        assert refusal(bedrock.get_custom_model, modelIdentifier=identifier)[0] == "ResourceNotFoundException"
        assert refusal(bedrock.delete_custom_model, modelIdentifier=identifier)[0] == "ResourceNotFoundException"
    assert names(bedrock.list_custom_models()) == []
    assert refusal(bedrock.list_tags_for_resource, resourceARN=arn)[0] == "ResourceNotFoundException"
    scene.queue("again", customModelName="slate")


def test_parent_and_child_may_be_deleted_in_any_order(scene: Any, bedrock: Any) -> None:
    scene.model("parent")
    scene.model("child", baseModelIdentifier="parent")
    bedrock.delete_custom_model(modelIdentifier="parent")
    assert bedrock.get_custom_model(modelIdentifier="child")["modelName"] == "child"
    scene.model("grandchild", baseModelIdentifier="child")
    bedrock.delete_custom_model(modelIdentifier="grandchild")
    bedrock.delete_custom_model(modelIdentifier="child")


def test_a_model_in_use_is_not_deleted_and_the_users_are_named(scene: Any, bedrock: Any) -> None:
    arn = scene.model("slate")
    bedrock.create_provisioned_model_throughput(modelUnits=1, provisionedModelName="pt", modelId=arn)
    bedrock.create_custom_model_deployment(modelDeploymentName="dep", modelArn=arn)
    scene.queue("continues", baseModelIdentifier="slate")
    code, message = refusal(bedrock.delete_custom_model, modelIdentifier="slate")
    assert code == "ConflictException"
    for user in ("provisioned throughput pt", "deployment dep", "customization job continues"):
        assert user in message
    bedrock.delete_provisioned_model_throughput(provisionedModelId="pt")
    bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier="dep")
    bedrock.stop_model_customization_job(jobIdentifier="continues")
    bedrock.delete_custom_model(modelIdentifier="slate")
