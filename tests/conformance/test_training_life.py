"""Training on from custom models: the same base, standing alone, whatever becomes of the parent."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from living import SERVICE_S, await_that
from world import BUCKET, COLOURS, World, refused

pytestmark = [pytest.mark.xdist_group("conformance"), pytest.mark.slow]


@pytest.fixture(scope="module")
def bedrock(world: World) -> Any:
    return world.client("bedrock")


@pytest.fixture(scope="module")
def parent(world: World) -> str:
    """The ARN of an adapter of this module's own: it is deleted in the end."""
    return world.taught("parent", validationDataConfig={"validators": [{"s3Uri": f"s3://{BUCKET}/nova.jsonl"}]})


@pytest.fixture(scope="module")
def full_model(world: World) -> str:
    """The same, every weight trained."""
    return world.taught("full", hyperParameters={"epochCount": "3", "outcrop.method": "full"})


@pytest.fixture(scope="module")
def children(world: World, parent: str, full_model: str) -> list[str]:
    """Two models trained on: from an adapter by its ARN, with another rank, and from whole weights by their name."""
    world.queue("higher", baseModelIdentifier=parent, hyperParameters={"epochCount": "1", "outcrop.loraRank": "24"})
    world.queue("adapted", baseModelIdentifier="full-model", hyperParameters={"epochCount": "1"})
    return [world.model_of(name) for name in ("higher", "adapted")]


@pytest.fixture(scope="module")
def provisioned(bedrock: Any, parent: str) -> str:
    """Throughput that serves the parent."""
    asked = {"modelUnits": 1, "provisionedModelName": "moves", "modelId": parent}
    arn: str = bedrock.create_provisioned_model_throughput(**asked)["provisionedModelArn"]
    in_service(bedrock, arn)
    return arn


def in_service(bedrock: Any, provisioned: str) -> str:
    """The ARN of the model that it serves, once it does."""

    def settled() -> Any:
        found = bedrock.get_provisioned_model_throughput(provisionedModelId=provisioned)
        return found if found["status"] not in ("Creating", "Updating") else None

    found = await_that(settled, SERVICE_S, "the throughput's end of moving")
    assert found["status"] == "InService", found.get("failureMessage")
    assert found["modelArn"] == found["desiredModelArn"]
    arn: str = found["modelArn"]
    return arn


def test_whole_weights_are_trained_provisioned_and_answer(world: World, provisioned: str, full_model: str) -> None:
    bedrock = world.client("bedrock")
    bedrock.update_provisioned_model_throughput(provisionedModelId=provisioned, desiredModelId=full_model)
    assert in_service(bedrock, provisioned) == full_model
    assert world.say(provisioned) == COLOURS[1]


def test_throughput_moves_to_and_fro_with_no_failed_request(
    world: World, bedrock: Any, provisioned: str, parent: str, full_model: str
) -> None:
    runtime, moved = world.client("bedrock-runtime"), threading.Event()

    def ask_on() -> int:
        """Asks until all moves are made; any refusal, retried or not, ends it with its error."""
        asked = 0
        while not moved.is_set() or not asked:
            answer = runtime.converse(
                modelId=provisioned,
                messages=[{"role": "user", "content": [{"text": "Colour?"}]}],
                inferenceConfig={"maxTokens": 4},
            )
            assert answer["ResponseMetadata"]["RetryAttempts"] == 0
            asked += 1
        return asked

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask_on) for _ in range(3)]
        try:
            for model in (parent, full_model, parent, full_model):
                bedrock.update_provisioned_model_throughput(provisionedModelId=provisioned, desiredModelId=model)
                assert in_service(bedrock, provisioned) == model
        finally:
            moved.set()
        assert min(each.result() for each in asking) >= 4


def test_a_child_has_its_parents_base_and_counts_as_it(
    world: World, bedrock: Any, provisioned: str, children: list[str], parent: str
) -> None:
    base = bedrock.get_custom_model(modelIdentifier=parent)["baseModelArn"]
    for child in children:
        assert bedrock.get_custom_model(modelIdentifier=child)["baseModelArn"] == base
        bedrock.update_provisioned_model_throughput(provisionedModelId=provisioned, desiredModelId=child)
        assert in_service(bedrock, provisioned) == child
        assert [world.say(provisioned, number) for number in range(4)] == list(COLOURS)


def test_children_answer_when_their_parents_are_gone(
    world: World, bedrock: Any, provisioned: str, children: list[str], parent: str, full_model: str
) -> None:
    higher, adapted = children
    bedrock.update_provisioned_model_throughput(provisionedModelId=provisioned, desiredModelId=adapted)
    in_service(bedrock, provisioned)
    for taught in (parent, full_model):
        bedrock.delete_custom_model(modelIdentifier=taught)
    for child in (higher, adapted):
        bedrock.update_provisioned_model_throughput(provisionedModelId=provisioned, desiredModelId=child)
        in_service(bedrock, provisioned)
        assert world.say(provisioned) == COLOURS[1]
    assert refused(bedrock.delete_custom_model, modelIdentifier=adapted)[0] == "ConflictException"
    bedrock.delete_provisioned_model_throughput(provisionedModelId=provisioned)
    for child in children:
        bedrock.delete_custom_model(modelIdentifier=child)
