"""Every answer obeys the service's own model: members, patterns, lengths, enums. botocore checks none of that."""

from typing import Any

import pytest
import regex
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from batches import record
from living import await_that, jsonl
from outcrop.services.bedrock import OPERATIONS
from world import BUCKET, NOVA, World

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.slow]


def problems(shape: Shape, value: Any, where: str) -> list[str]:
    """What a value breaks of its shape's rules."""
    match shape:
        case StructureShape():
            missing = [f"{where}.{name} is missing" for name in shape.required_members if name not in value]
            inside = [problems(shape.members[name], item, f"{where}.{name}") for name, item in value.items()]
            return missing + [problem for found in inside for problem in found]
        case ListShape():
            inside = [problems(shape.member, item, f"{where}.{at}") for at, item in enumerate(value)]
            return [problem for found in inside for problem in found]
        case MapShape():
            inside = [problems(shape.value, item, f"{where}.{key}") for key, item in value.items()]
            return [problem for found in inside for problem in found]
        case StringShape():
            return _text_problems(shape, value, where)
    return []


def _text_problems(shape: StringShape, value: str, where: str) -> list[str]:
    rules = shape.metadata
    if where.endswith(".baseModelName") and value == "":
        return []  # Bedrock itself answers an empty one, against its model
    found = []
    if shape.enum and value not in shape.enum:
        found.append(f"{where} {value!r} is not in the enum")
    if "pattern" in rules and not regex.fullmatch(rules["pattern"], value, timeout=5):
        found.append(f"{where} {value!r} breaks {rules['pattern']}")
    if not rules.get("min", 0) <= len(value) <= rules.get("max", 1e9):
        found.append(f"{where} has a length of {len(value)}")
    return found


class Checked:
    """A client whose every answer is held against the model."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.asked: set[str] = set()

    def __call__(self, operation: str, **request: Any) -> Any:
        answer = getattr(self._client, operation)(**request)
        name = self._client.meta.method_to_api_mapping[operation]
        self.asked.add(name)
        said = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        shape = self._client.meta.service_model.operation_model(name).output_shape
        assert problems(shape, said, name) == []
        return answer


def test_every_answer_of_the_control_plane_obeys_its_model(world: World) -> None:
    ask = Checked(world.client("bedrock"))
    for page in ("list_foundation_models", "list_custom_models", "list_model_customization_jobs"):
        ask(page)
    ask("get_foundation_model", modelIdentifier=NOVA)
    ask("get_foundation_model_availability", modelId=NOVA)
    model = _job(world, ask)
    _throughput(ask, model)
    _deployment(ask, model)
    _batch(world, ask)
    ask("delete_custom_model", modelIdentifier=model)
    assert ask.asked == OPERATIONS.keys()


def _job(world: World, ask: Checked) -> str:
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    world.client("kms").create_alias(AliasName="alias/answers", TargetKeyId=key)
    asked = world.request(
        "answers",
        customModelKmsKeyId="alias/answers",
        hyperParameters={"epochCount": "1"},
        customModelTags=[{"key": "a", "value": "b"}],
        validationDataConfig={"validators": [{"s3Uri": f"s3://{BUCKET}/nova.jsonl"}]},
        vpcConfig={"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
    )
    arn = ask("create_model_customization_job", **asked)["jobArn"]
    for name in ("answers-stopped", "answers-too"):
        world.queue(name)
    ask("get_model_customization_job", jobIdentifier=arn)
    ask("stop_model_customization_job", jobIdentifier="answers-stopped")
    ask("stop_model_customization_job", jobIdentifier="answers-too")
    assert world.ended("answers")["outputModelKmsKeyArn"] == key
    job = ask("get_model_customization_job", jobIdentifier="answers")
    ask("list_model_customization_jobs")
    model: str = job["outputModelArn"]
    ask("get_custom_model", modelIdentifier=model)
    assert ask("list_custom_models", nameContains="answers")["modelSummaries"][0]["modelArn"] == model
    return model


def _batch(world: World, ask: Checked) -> None:
    uri = world.put("answers/batch.jsonl", jsonl([record(number) for number in range(2)]))
    arn = ask(
        "create_model_invocation_job",
        jobName="answers",
        roleArn=world.role,
        modelId="amazon.nova-micro-v1:0",
        modelInvocationType="Converse",
        inputDataConfig={"s3InputDataConfig": {"s3Uri": uri}},
        outputDataConfig={"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/batch-out/"}},
        tags=[{"key": "a", "value": "b"}],
    )["jobArn"]
    ask("stop_model_invocation_job", jobIdentifier=arn)
    await_that(lambda: "endTime" in ask("get_model_invocation_job", jobIdentifier=arn), 60, "the batch job's end")
    assert ask("list_model_invocation_jobs")["invocationJobSummaries"][0]["jobArn"] == arn


def _throughput(ask: Checked, model: str) -> None:
    asked = {"modelUnits": 1, "provisionedModelName": "answers", "modelId": NOVA, "commitmentDuration": "OneMonth"}
    arn = ask("create_provisioned_model_throughput", **asked)["provisionedModelArn"]
    free = {"modelUnits": 1, "provisionedModelName": "answers-free", "modelId": model}
    ask("create_provisioned_model_throughput", **free)

    def in_service() -> bool:
        found = ask("get_provisioned_model_throughput", provisionedModelId="answers-free")
        return bool(found["status"] == "InService")

    await_that(in_service, 60, "throughput in service")
    ask("list_provisioned_model_throughputs")
    ask("update_provisioned_model_throughput", provisionedModelId=arn, desiredProvisionedModelName="answers-renamed")
    ask("tag_resource", resourceARN=arn, tags=[{"key": "a", "value": ""}])
    ask("list_tags_for_resource", resourceARN=arn)
    ask("untag_resource", resourceARN=arn, tagKeys=["a"])
    ask("delete_provisioned_model_throughput", provisionedModelId="answers-free")


def _deployment(ask: Checked, model: str) -> None:
    asked = {"modelDeploymentName": "answers", "modelArn": model, "description": "for the answers"}
    arn = ask("create_custom_model_deployment", **asked)["customModelDeploymentArn"]

    def state() -> Any:
        return ask("get_custom_model_deployment", customModelDeploymentIdentifier=arn)

    await_that(lambda: state()["status"] == "Active", 60, "an active deployment")
    ask("update_custom_model_deployment", customModelDeploymentIdentifier="answers", modelArn=model)
    await_that(lambda: state()["updateDetails"]["updateStatus"] == "UpdateCompleted", 60, "the end of an update")
    ask("list_custom_model_deployments")
    ask("delete_custom_model_deployment", customModelDeploymentIdentifier=arn)
