"""What a caller with an API key may ask: policies decide about each call. Knows no HTTP and no dialect.

What names its resource in many ways (a job by name or ARN) is allowed where a user's policies tell no resources apart.
"""

from typing import Any

from outcrop.domain import arn as arns
from outcrop.domain.errors import AccessDeniedException
from outcrop.services.bedrock.bases import find_foundation
from outcrop.services.call import Call
from outcrop.services.permissions import Permissions
from outcrop.services.runtime.resources import invoked_resources

INVOKE, INVOKE_STREAMED = "bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"
_CALL = "bedrock:CallWithBearerToken"
_PROFILE = "bedrock:InferenceProfileArn"
_INVOCATIONS = {
    "InvokeModel": (INVOKE,),
    "Converse": (INVOKE,),
    "InvokeModelWithResponseStream": (INVOKE_STREAMED,),
    "ConverseStream": (INVOKE_STREAMED,),
    "CountTokens": ("bedrock:CountTokens", INVOKE),
}
_BEDROCK = "bedrock.amazonaws.com"
_TAGS = ("tags", "jobTags", "customModelTags")
_OF_A_FOUNDATION_MODEL = {"GetFoundationModel": "modelIdentifier", "GetFoundationModelAvailability": "modelId"}


def permissions_of(call: Call) -> Permissions:
    """The caller's permissions. Raises AccessDeniedException where they may use no API key at all. Blocks."""
    permissions = Permissions(call)
    permissions.require(_CALL, "*")
    return permissions


def authorize_invocation(call: Call, model_identifier: str, *actions: str) -> None:
    """Raises AccessDeniedException where policies keep the caller from this model. Blocks."""
    permissions = permissions_of(call)
    for resource, facts in _invoked(call, model_identifier):
        for action in actions:
            permissions.require(action, resource, **facts)


def may_invoke(permissions: Permissions, call: Call, model_identifier: str) -> bool:
    """Whether policies let the caller invoke a model with an API key. Blocks."""
    invoked = _invoked(call, model_identifier)
    return permissions.allow(_CALL, "*") and all(permissions.allow(INVOKE, one, **facts) for one, facts in invoked)


def _invoked(call: Call, model_identifier: str) -> list[tuple[str, dict[str, str]]]:
    """The resources, each with what conditions may ask of it: of a model, through which profile it is invoked."""
    *profiles, model = invoked_resources(call, model_identifier)
    through = {_PROFILE: profiles[0]} if profiles else {}
    return [*((profile, {}) for profile in profiles), (model, through)]


def authorize_operation(call: Call, operation: str, params: dict[str, Any]) -> None:
    """Raises AccessDeniedException where policies keep the caller from an operation of Bedrock's. Blocks."""
    if operation in _INVOCATIONS:
        authorize_invocation(call, params["modelId"], *_INVOCATIONS[operation])
    elif operation in _OF_A_FOUNDATION_MODEL:
        resource = _foundation_model(call, params[_OF_A_FOUNDATION_MODEL[operation]])
        permissions_of(call).require(f"bedrock:{operation}", resource)
    elif operation.startswith("List") and operation != "ListTagsForResource":
        permissions_of(call).require(f"bedrock:{operation}", "*")
    else:
        _authorize_everywhere(call, operation, params)


def _authorize_everywhere(call: Call, operation: str, params: dict[str, Any]) -> None:
    permissions = permissions_of(call)
    permissions.require_everywhere(f"bedrock:{operation}")
    if any(params.get(name) for name in _TAGS):
        permissions.require_everywhere("bedrock:TagResource")
    if "roleArn" in params:
        permissions.require("iam:PassRole", params["roleArn"], **{"iam:PassedToService": _BEDROCK})
    if _names_a_kms_key(params):
        raise AccessDeniedException("An API key opens no KMS key: sign a request that names one with an access key.")


def _names_a_kms_key(params: dict[str, Any]) -> bool:
    output = params.get("outputDataConfig", {}).get("s3OutputDataConfig", {})
    return "customModelKmsKeyId" in params or "s3EncryptionKeyId" in output


def _foundation_model(call: Call, identifier: str) -> str:
    model = find_foundation(call, identifier)
    return arns.foundation_model(call.region, identifier if model is None else model.model_id)
