"""One server answers every Region, and each keeps its own."""

from typing import Any

import pytest

from living import jsonl, nova_row
from world import NOVA, World, facts, refused

pytestmark = pytest.mark.xdist_group("conformance")
REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


@pytest.fixture(scope="module")
def arns(world: World) -> dict[str, dict[str, str]]:
    """The same names in three Regions: a job, throughput of a base model, a key."""
    made: dict[str, dict[str, str]] = {}
    for region in REGIONS:
        bedrock, kms = world.client("bedrock", region), world.client("kms", region)
        bucket = f"regional-{region}"
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        world.client("s3", region).create_bucket(Bucket=bucket, **place)
        world.client("s3", region).put_object(Bucket=bucket, Key="t.jsonl", Body=jsonl([nova_row(*facts(1)[0])]))
        addresses = {
            "trainingDataConfig": {"s3Uri": f"s3://{bucket}/t.jsonl"},
            "outputDataConfig": {"s3Uri": f"s3://{bucket}"},
        }
        job = bedrock.create_model_customization_job(**world.request("regional", **addresses, clientRequestToken="one"))
        units = {"modelUnits": 1, "provisionedModelName": "regional", "modelId": NOVA, "clientRequestToken": "one"}
        made[region] = {
            "job": job["jobArn"],
            "throughput": bedrock.create_provisioned_model_throughput(**units)["provisionedModelArn"],
            "key": kms.create_key()["KeyMetadata"]["Arn"],
        }
    return made


@pytest.mark.parametrize("region", REGIONS)
def test_names_and_tokens_are_each_regions_own(world: World, arns: dict[str, dict[str, str]], region: str) -> None:
    bedrock = world.client("bedrock", region)
    assert all(f":{region}:" in arn for arn in arns[region].values())
    assert bedrock.get_model_customization_job(jobIdentifier="regional")["jobArn"] == arns[region]["job"]
    listed = bedrock.list_provisioned_model_throughputs(nameContains="regional")["provisionedModelSummaries"]
    assert [found["provisionedModelArn"] for found in listed] == [arns[region]["throughput"]]
    keys = [key["KeyArn"] for key in world.client("kms", region).list_keys()["Keys"]]
    assert arns[region]["key"] in keys and not any(arns[other]["key"] in keys for other in REGIONS if other != region)


@pytest.mark.parametrize(
    ("operation", "member", "kind"),
    [
        ("get_model_customization_job", "jobIdentifier", "job"),
        ("stop_model_customization_job", "jobIdentifier", "job"),
        ("get_provisioned_model_throughput", "provisionedModelId", "throughput"),
        ("delete_provisioned_model_throughput", "provisionedModelId", "throughput"),
        ("list_tags_for_resource", "resourceARN", "job"),
    ],
)
def test_an_arn_of_another_region_is_not_found(
    world: World, arns: dict[str, dict[str, str]], operation: str, member: str, kind: str
) -> None:
    call: Any = getattr(world.client("bedrock", "eu-west-1"), operation)
    assert refused(call, **{member: arns["us-west-2"][kind]})[:2] == ("ResourceNotFoundException", 404)


def test_a_region_is_a_caller_s_and_not_an_arguments(world: World, arns: dict[str, dict[str, str]]) -> None:
    bedrock, runtime = world.client("bedrock", "eu-west-1"), world.client("bedrock-runtime", "eu-west-1")
    other_key = world.request("foreign-key", customModelKmsKeyId=arns["us-west-2"]["key"])
    assert refused(bedrock.create_model_customization_job, **other_key)[0] == "ValidationException"
    said = [{"role": "user", "content": [{"text": "x"}]}]
    code, _, _ = refused(runtime.converse, modelId=arns["us-west-2"]["throughput"], messages=said)
    assert code == "ResourceNotFoundException"
