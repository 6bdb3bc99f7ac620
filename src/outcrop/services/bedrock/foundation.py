"""Foundation models: what can be customized, and what answers. Knows nothing of checkpoints but their names."""

from typing import Any

from outcrop import families
from outcrop.domain import arn as arns
from outcrop.domain.errors import ResourceNotFoundException
from outcrop.services.bedrock import bases
from outcrop.services.call import Call, Operation


def list_foundation_models(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Every foundation model that passes the filters; this list has no pages."""
    catalogue = bases.catalogue_of(call)
    found = (model for model in catalogue.models().values() if _passes(model, request))
    return {"modelSummaries": [_described(call, model, catalogue) for model in found]}


def get_foundation_model(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One foundation model, by id or ARN."""
    model = _known(call, request["modelIdentifier"])
    catalogue = bases.catalogue_of(call)
    return {"modelDetails": _described(call, model, catalogue)}


def get_foundation_model_availability(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Whatever is listed may be used, in every Region: there is no agreement to sign."""
    model = _known(call, request["modelId"])
    return {
        "modelId": model.model_id,
        "agreementAvailability": {"status": "AVAILABLE"},
        "authorizationStatus": "AUTHORIZED",
        "entitlementAvailability": "AVAILABLE",
        "regionAvailability": "AVAILABLE",
    }


def _known(call: Call, identifier: str) -> families.FoundationModel:
    model = bases.find_foundation(call, identifier)
    if model is None:
        raise ResourceNotFoundException(f"Could not find a foundation model {identifier} in this Region.")
    return model


def _passes(model: families.FoundationModel, request: dict[str, Any]) -> bool:
    asked = {
        "byProvider": (model.provider,),
        "byCustomizationType": model.customizations,
        "byOutputModality": model.output_modalities,
        "byInferenceType": model.inference_types,
    }
    return all(request[name] in having for name, having in asked.items() if name in request)


def _described(call: Call, model: families.FoundationModel, catalogue: families.Catalogue) -> dict[str, Any]:
    return {
        "modelArn": arns.foundation_model(call.region, model.model_id),
        "modelId": model.model_id,
        "modelName": families.served_name(model, catalogue.checkpoint_for(model.model_id)),
        "providerName": model.provider,
        "inputModalities": list(model.input_modalities),
        "outputModalities": list(model.output_modalities),
        "responseStreamingSupported": model.streaming,
        "customizationsSupported": list(model.customizations),
        "inferenceTypesSupported": list(model.inference_types),
        "modelLifecycle": {"status": model.lifecycle_status},
    }


OPERATIONS: dict[str, Operation] = {
    "ListFoundationModels": list_foundation_models,
    "GetFoundationModel": get_foundation_model,
    "GetFoundationModelAvailability": get_foundation_model_availability,
}
