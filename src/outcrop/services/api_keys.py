"""What a caller with an API key may ask: policies decide about each call. Knows no HTTP and no dialect.

An API key invokes models and looks at lists. All else changes something, or has many names: that takes a signature.
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
_INVOCATIONS = {
    "InvokeModel": (INVOKE,),
    "Converse": (INVOKE,),
    "InvokeModelWithResponseStream": (INVOKE_STREAMED,),
    "ConverseStream": (INVOKE_STREAMED,),
    "CountTokens": ("bedrock:CountTokens", INVOKE),
}
_OF_A_FOUNDATION_MODEL = {"GetFoundationModel": "modelIdentifier", "GetFoundationModelAvailability": "modelId"}


def permissions_of(call: Call) -> Permissions:
    """The caller's permissions. Raises AccessDeniedException where they may use no API key at all. Blocks."""
    permissions = Permissions(call)
    permissions.require(_CALL, "*")
    return permissions


def authorize_invocation(call: Call, model_identifier: str, *actions: str) -> None:
    """Raises AccessDeniedException where policies keep the caller from this model. Blocks."""
    permissions = permissions_of(call)
    for resource in invoked_resources(call, model_identifier):
        for action in actions:
            permissions.require(action, resource)


def may_invoke(permissions: Permissions, call: Call, model_identifier: str) -> bool:
    """Whether policies let the caller invoke a model with an API key. Blocks."""
    resources = invoked_resources(call, model_identifier)
    return permissions.allow(_CALL, "*") and all(permissions.allow(INVOKE, resource) for resource in resources)


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
        raise AccessDeniedException(
            f"Outcrop takes API keys for invoking models and for lists; {operation} must be signed with an access key."
        )


def _foundation_model(call: Call, identifier: str) -> str:
    model = find_foundation(call, identifier)
    return arns.foundation_model(call.region, identifier if model is None else model.model_id)
