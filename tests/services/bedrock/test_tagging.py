"""Tags of every kind of resource."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

NOVA = "amazon.nova-micro-v1:0:128k"


def refusal(call: Any, **members: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return dict(caught.value.response)


def tagged(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


@pytest.fixture
def resources(scene: Any, bedrock: Any) -> list[str]:
    model = scene.model("slate")
    job = bedrock.get_model_customization_job(jobIdentifier="job-of-slate")["jobArn"]
    given = {"modelUnits": 1, "provisionedModelName": "pt", "modelId": "slate", "tags": tagged(made="with it")}
    provisioned = bedrock.create_provisioned_model_throughput(**given)["provisionedModelArn"]
    deployed = bedrock.create_custom_model_deployment(modelDeploymentName="dep", modelArn=model)
    return [job, model, provisioned, deployed["customModelDeploymentArn"]]


def test_every_resource_is_tagged_and_untagged(bedrock: Any, resources: list[str]) -> None:
    for arn in resources:
        bedrock.tag_resource(resourceARN=arn, tags=tagged(b="1", a="2"))
        bedrock.tag_resource(resourceARN=arn, tags=tagged(b="3"))
        found = bedrock.list_tags_for_resource(resourceARN=arn)["tags"]
        assert [tag for tag in found if tag["key"] != "made"] == tagged(a="2", b="3")
        bedrock.untag_resource(resourceARN=arn, tagKeys=["a", "b", "made", "unknown"])
        assert bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == []


def test_tags_given_at_creation_are_there(bedrock: Any, resources: list[str]) -> None:
    assert bedrock.list_tags_for_resource(resourceARN=resources[2])["tags"] == tagged(made="with it")


def test_tags_go_with_their_resource(bedrock: Any, resources: list[str]) -> None:
    provisioned = resources[2]
    bedrock.delete_provisioned_model_throughput(provisionedModelId=provisioned)
    assert refusal(bedrock.list_tags_for_resource, resourceARN=provisioned)["Error"]["Code"] == (
        "ResourceNotFoundException"
    )


def test_a_resource_carries_fifty_tags_and_no_more(bedrock: Any, resources: list[str]) -> None:
    arn = resources[1]
    bedrock.tag_resource(resourceARN=arn, tags=tagged(**{f"k{n}": "" for n in range(50)}))
    bedrock.tag_resource(resourceARN=arn, tags=tagged(k7="new value"))
    answer = refusal(bedrock.tag_resource, resourceARN=arn, tags=tagged(one="more"))
    assert answer["Error"]["Code"] == "TooManyTagsException"
    assert answer["resourceName"] == arn
    assert len(bedrock.list_tags_for_resource(resourceARN=arn)["tags"]) == 50


@pytest.mark.parametrize(
    "tags", [[{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], [{"key": "aws:mine", "value": "1"}]]
)
def test_a_key_given_twice_or_reserved_is_refused(bedrock: Any, resources: list[str], tags: Any) -> None:
    answer = refusal(bedrock.tag_resource, resourceARN=resources[0], tags=tags)
    assert answer["Error"]["Code"] == "ValidationException"
    assert tags[0]["key"] in answer["Error"]["Message"]


def test_what_does_not_exist_here_is_unknown(scene: Any, bedrock: Any, resources: list[str]) -> None:
    elsewhere = scene.client("us-west-2")
    guardrail = f"arn:aws:bedrock:us-east-1:{scene.ground.account}:guardrail/abcdef"
    calls = [
        (elsewhere.list_tags_for_resource, {"resourceARN": resources[0]}),
        (elsewhere.tag_resource, {"resourceARN": resources[1], "tags": tagged(a="b")}),
        (elsewhere.untag_resource, {"resourceARN": resources[2], "tagKeys": ["a"]}),
        (bedrock.list_tags_for_resource, {"resourceARN": guardrail}),
        (bedrock.list_tags_for_resource, {"resourceARN": resources[3][:-12] + "abcdefabcdef"}),
        (bedrock.list_tags_for_resource, {"resourceARN": "not-an-arn-of-anything"}),
    ]
    for call, members in calls:
        assert refusal(call, **members)["Error"]["Code"] == "ResourceNotFoundException"
