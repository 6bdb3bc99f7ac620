"""What an identifier stands for, and the error when it stands for nothing that can be asked."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.domain.checkpoint_digest import told
from outcrop.store import engines, models

Scene = Any  # tests/services/runtime/conftest.py


def refused(scene: Scene, model_id: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        scene.runtime.converse(modelId=model_id, messages=[{"role": "user", "content": [{"text": "jump"}]}])
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_context_suffixed_id_is_not_served_on_demand(scene: Scene) -> None:
    code, message = refused(scene, "amazon.nova-micro-v1:0:128k")
    assert code == "ValidationException"
    assert "on-demand throughput isn\N{RIGHT SINGLE QUOTATION MARK}t supported" in message


@pytest.mark.parametrize("model_id", ["amazon.nothing-v1:0", "no-such-name"])
def test_an_unknown_model_is_not_found(scene: Scene, model_id: str) -> None:
    assert refused(scene, model_id)[0] == "ResourceNotFoundException"


def test_an_unknown_provisioned_model_and_deployment_are_not_found(scene: Scene) -> None:
    for kind in ("provisioned-model", "custom-model-deployment"):
        arn = f"arn:aws:bedrock:us-east-1:{scene.running.ground.account}:{kind}/nonexistent0"
        assert refused(scene, arn)[0] == "ResourceNotFoundException"


def test_a_custom_models_own_arn_is_told_what_to_do(scene: Scene) -> None:
    arn = f"arn:aws:bedrock:us-east-1:{scene.running.ground.account}:custom-model/amazon.nova-micro-v1/abcdefghijkl"
    code, message = refused(scene, arn)
    assert code == "ValidationException"
    assert "provisioned throughput" in message


def test_a_foundation_arn_of_another_region_is_invalid(scene: Scene) -> None:
    code, message = refused(scene, "arn:aws:bedrock:eu-west-1::foundation-model/amazon.nova-micro-v1:0")
    assert (code, "eu-west-1" in message) == ("ValidationException", True)


def test_what_is_still_being_created_is_not_ready(scene: Scene) -> None:
    model = scene.custom_model("creatingaaaa")
    assert refused(scene, scene.provision(model, "Creating").arn)[0] == "ModelNotReadyException"
    assert refused(scene, scene.deploy(model, "Creating").arn)[0] == "ModelNotReadyException"


def test_what_has_failed_cannot_be_invoked(scene: Scene) -> None:
    model = scene.custom_model("failedaaaaaa")
    code, message = refused(scene, scene.provision(model, "Failed").arn)
    assert (code, "Failed" in message) == ("ValidationException", True)


def test_a_model_that_the_engine_has_not_loaded_yet_is_not_ready(scene: Scene) -> None:
    model = scene.custom_model("unloadedaaaa")
    assert refused(scene, scene.provision(model).name)[0] == "ModelNotReadyException"


def test_a_model_whose_engine_holds_other_weights_says_so_at_every_call(scene: Scene) -> None:
    """It may be in service for long: the weights were replaced, and the server was started again."""
    database, checkpoint = scene.running.ground.database, scene.checkpoint
    model = scene.custom_model("changedaaaaa")
    name = scene.provision(model).name
    with database.write() as connection:
        connection.execute(
            models.MODELS.update().where(models.MODELS.c.id == model.id).values(checkpoint_digest="a1" * 32)
        )
    engines.want(database, scene.settings, checkpoint, model.created_at)
    engines.starting(database, str(checkpoint), 1, "b2" * 32)
    try:
        code, message = refused(scene, name)
    finally:
        engines.gone(database, str(checkpoint), "the test is over")
    assert code == "ModelErrorException"
    for part in (model.name, told("a1" * 32), told("b2" * 32), "Put the former files back"):
        assert part in message
