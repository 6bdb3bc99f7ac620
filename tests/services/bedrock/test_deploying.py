"""On-demand deployments as a caller sees them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.services.bedrock.deploying import DEPLOYMENTS_LIMIT
from outcrop.store import deployments

NOVA = "amazon.nova-micro-v1:0:128k"


def refusal(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def deploy(bedrock: Any, name: str, model: str, **given: Any) -> str:
    arn: str = bedrock.create_custom_model_deployment(modelDeploymentName=name, modelArn=model, **given)[
        "customModelDeploymentArn"
    ]
    return arn


def got(bedrock: Any, name: str) -> dict[str, Any]:
    answer: dict[str, Any] = bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=name)
    del answer["ResponseMetadata"]
    return answer


def serve(scene: Any) -> None:
    """What the worker does: everything that waits is active."""
    for waiting in deployments.pending(scene.ground.database):
        assert deployments.mark_active(scene.ground.database, waiting, scene.at)


def names(answer: dict[str, Any]) -> list[str]:
    return [summary["customModelDeploymentName"] for summary in answer["modelDeploymentSummaries"]]


def test_a_model_is_deployed(scene: Any, bedrock: Any) -> None:
    model = scene.model("slate")
    arn = deploy(bedrock, "dep", model, description="of slate")
    shape = rf"arn:aws:bedrock:us-east-1:{scene.ground.account}:custom-model-deployment/[a-z0-9]{{12}}"
    assert re.fullmatch(shape, arn)
    assert got(bedrock, "dep") == {
        "customModelDeploymentArn": arn,
        "modelDeploymentName": "dep",
        "modelArn": model,
        "createdAt": scene.at,
        "status": "Creating",
        "description": "of slate",
    }
    serve(scene)
    assert got(bedrock, arn)["status"] == "Active"


def test_what_is_unknown_or_taken_is_refused(scene: Any, bedrock: Any) -> None:
    model = scene.model("slate")
    deploy(bedrock, "dep", model)
    code, message = refusal(bedrock.create_custom_model_deployment, modelDeploymentName="dep", modelArn=model)
    assert (code, message) == ("ValidationException", "The provided model deployment name is currently in use.")
    unknown = model[:-12] + "abcdefabcdef"
    code, _ = refusal(bedrock.create_custom_model_deployment, modelDeploymentName="new", modelArn=unknown)
    assert code == "ResourceNotFoundException"
    for call in (bedrock.get_custom_model_deployment, bedrock.delete_custom_model_deployment):
        assert refusal(call, customModelDeploymentIdentifier="nobody")[0] == "ResourceNotFoundException"
    code, _ = refusal(bedrock.update_custom_model_deployment, customModelDeploymentIdentifier="nobody", modelArn=model)
    assert code == "ResourceNotFoundException"


def test_deployments_have_an_end(scene: Any, bedrock: Any) -> None:
    model = scene.model("slate")
    for n in range(DEPLOYMENTS_LIMIT):
        deploy(bedrock, f"dep-{n}", model)
    code, _ = refusal(bedrock.create_custom_model_deployment, modelDeploymentName="more", modelArn=model)
    assert code == "ServiceQuotaExceededException"


def test_an_update_serves_the_old_model_until_the_new_one_answers(scene: Any, bedrock: Any) -> None:
    old, new = scene.model("old"), scene.model("new")
    deploy(bedrock, "dep", old)
    serve(scene)
    update = bedrock.update_custom_model_deployment
    update(customModelDeploymentIdentifier="dep", modelArn=new)
    answer = got(bedrock, "dep")
    assert (answer["status"], answer["modelArn"]) == ("Active", old)
    assert answer["updateDetails"] == {"modelArn": new, "updateStatus": "Updating"}
    code, message = refusal(update, customModelDeploymentIdentifier="dep", modelArn=old)
    assert code == "ValidationException" and "Updating" in message
    for name in ("old", "new"):
        assert refusal(bedrock.delete_custom_model, modelIdentifier=name)[0] == "ConflictException"
    scene.pass_time(seconds=3)
    serve(scene)
    answer = got(bedrock, "dep")
    assert (answer["modelArn"], answer["lastUpdatedAt"]) == (new, scene.at)
    assert answer["updateDetails"] == {"modelArn": new, "updateStatus": "UpdateCompleted"}
    bedrock.delete_custom_model(modelIdentifier="old")


def test_only_an_active_deployment_is_updated(scene: Any, bedrock: Any) -> None:
    old, new = scene.model("old"), scene.model("new")
    deploy(bedrock, "dep", old)
    code, message = refusal(bedrock.update_custom_model_deployment, customModelDeploymentIdentifier="dep", modelArn=new)
    assert code == "ValidationException" and "Creating" in message


def test_a_failed_deployment_says_why(scene: Any, bedrock: Any) -> None:
    deploy(bedrock, "dep", scene.model("slate"))
    (waiting,) = deployments.pending(scene.ground.database)
    deployments.mark_failed(scene.ground.database, waiting, "no memory", scene.at)
    answer = got(bedrock, "dep")
    assert (answer["status"], answer["failureMessage"]) == ("Failed", "no memory")
    (summary,) = bedrock.list_custom_model_deployments()["modelDeploymentSummaries"]
    assert summary["failureMessage"] == "no memory"


def test_a_deleted_deployment_is_gone_and_its_model_stays(scene: Any, bedrock: Any) -> None:
    model = scene.model("slate")
    arn = deploy(bedrock, "dep", model)
    bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)
    assert names(bedrock.list_custom_model_deployments()) == []
    assert bedrock.get_custom_model(modelIdentifier="slate")["modelStatus"] == "Active"
    deploy(bedrock, "dep", model)


def test_lists_filter_sort_and_page(scene: Any, bedrock: Any) -> None:
    began = scene.at
    slate, marl = scene.model("slate"), scene.model("marl")
    for name, model in (("alpha", slate), ("beta", marl), ("alphabet", marl)):
        deploy(bedrock, name, model)
        if name == "alpha":
            serve(scene)
        scene.pass_time(hours=1)
    listed = bedrock.list_custom_model_deployments
    assert names(listed()) == ["alphabet", "beta", "alpha"]
    assert names(listed(sortBy="CreationTime", sortOrder="Ascending")) == ["alpha", "beta", "alphabet"]
    assert names(listed(nameContains="alpha")) == ["alphabet", "alpha"]
    assert names(listed(statusEquals="Active")) == ["alpha"]
    assert names(listed(modelArnEquals=marl)) == ["alphabet", "beta"]
    assert names(listed(createdAfter=began)) == ["alphabet", "beta"]
    assert names(listed(createdBefore=began + timedelta(hours=1))) == ["alpha"]
    pages = bedrock.get_paginator("list_custom_model_deployments").paginate(PaginationConfig={"PageSize": 1})
    assert [name for page in pages for name in names(page)] == ["alphabet", "beta", "alpha"]


def test_a_token_makes_one_deployment(scene: Any, bedrock: Any) -> None:
    model = scene.model("slate")
    first = deploy(bedrock, "dep", model, clientRequestToken="token-1")
    assert deploy(bedrock, "dep", model, clientRequestToken="token-1") == first
