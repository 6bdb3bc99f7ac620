"""Foundation models as a caller sees them."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from outcrop.families import MODELS

NOVA = "amazon.nova-micro-v1:0:128k"


def ids(answer: dict[str, Any]) -> set[str]:
    return {summary["modelId"] for summary in answer["modelSummaries"]}


def test_every_model_is_listed_with_an_arn_of_the_callers_region(scene: Any) -> None:
    answer = scene.client("eu-west-1").list_foundation_models()
    assert ids(answer) == set(MODELS)
    for summary in answer["modelSummaries"]:
        assert summary["modelArn"] == f"arn:aws:bedrock:eu-west-1::foundation-model/{summary['modelId']}"
        assert 1 <= len(summary["modelName"]) <= 20
        assert "pebble" in summary["modelName"]
        assert summary["modelLifecycle"]["status"] == "ACTIVE"


def test_filters_do_what_they_say(bedrock: Any) -> None:
    listed = bedrock.list_foundation_models
    pre_trained = ids(listed(byCustomizationType="CONTINUED_PRE_TRAINING"))
    assert pre_trained and all("titan" in model_id for model_id in pre_trained)
    meta = ids(listed(byProvider="Meta"))
    assert meta and all(model_id.startswith("meta.") for model_id in meta)
    assert ids(listed(byInferenceType="PROVISIONED")) & ids(listed(byInferenceType="ON_DEMAND")) == set()
    assert ids(listed(byOutputModality="TEXT")) == set(MODELS)
    assert ids(listed(byOutputModality="IMAGE")) == set()
    assert ids(listed(byCustomizationType="DISTILLATION")) == set()
    assert NOVA in ids(listed(byProvider="Amazon", byCustomizationType="FINE_TUNING", byInferenceType="PROVISIONED"))


@pytest.mark.parametrize("identifier", [NOVA, f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"])
def test_one_model_is_got_by_id_or_arn(bedrock: Any, identifier: str) -> None:
    details = bedrock.get_foundation_model(modelIdentifier=identifier)["modelDetails"]
    assert details["modelId"] == NOVA
    assert details["customizationsSupported"] == ["FINE_TUNING"]


def test_a_listed_model_is_available(bedrock: Any) -> None:
    answer = bedrock.get_foundation_model_availability(modelId=NOVA)
    del answer["ResponseMetadata"]
    assert answer == {
        "modelId": NOVA,
        "agreementAvailability": {"status": "AVAILABLE"},
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": "AVAILABLE",
    }


def test_an_unknown_model_is_not_found(bedrock: Any) -> None:
    elsewhere = f"arn:aws:bedrock:eu-west-1::foundation-model/{NOVA}"
    for call, members in (
        (bedrock.get_foundation_model, {"modelIdentifier": "amazon.nothing-v1:0"}),
        (bedrock.get_foundation_model, {"modelIdentifier": elsewhere}),
        (bedrock.get_foundation_model_availability, {"modelId": "amazon.nothing-v1:0"}),
    ):
        with pytest.raises(ClientError) as caught:
            call(**members)
        assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
