"""On-demand deployments of custom models: create, get, list, update, delete. Knows nothing of engines."""

from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import ResourceNotFoundException, ServiceQuotaExceededException, ValidationException
from outcrop.domain.states import DeploymentStatus, ModelStatus
from outcrop.services.bedrock import tagging
from outcrop.services.bedrock.bases import custom_model_unknown
from outcrop.services.bedrock.idempotency import once
from outcrop.services.bedrock.paging import answered, page_of
from outcrop.services.bedrock.present import present
from outcrop.services.call import Call, Operation
from outcrop.store import deployments, models, tags, tokens
from outcrop.store.deployments import Deployment, UpdateStatus

DEPLOYMENTS_LIMIT = 100  # AWS allows 10; on one's own machine this only stops a slip of the hand


def create_custom_model_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Deploy a custom model that is Active; the worker makes the deployment Active."""
    arn = once(call, "CreateCustomModelDeployment", request, lambda c: _create(c, call, request))
    return {"customModelDeploymentArn": arn}


def get_custom_model_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """One deployment, by name or ARN."""
    with call.ground.database.read() as connection:
        return _described(_known(connection, call, request["customModelDeploymentIdentifier"]))


def list_custom_model_deployments(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Deployments of this account and Region, a page at a time, the newest first unless asked otherwise."""
    filters = {
        "created_after": request.get("createdAfter"),
        "created_before": request.get("createdBefore"),
        "status": request.get("statusEquals"),
        "model_arn": request.get("modelArnEquals"),
        "name_contains": request.get("nameContains"),
    }
    rows, token = page_of(call, request, deployments.LISTING, filters)
    return answered("modelDeploymentSummaries", [_summary(deployments.from_row(row)) for row in rows], token)


def update_custom_model_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Send a deployment to another model; the old one answers until the new one can."""
    with call.ground.database.write() as connection:
        found = _known(connection, call, request["customModelDeploymentIdentifier"])
        if found.status is not DeploymentStatus.ACTIVE or found.update_status is UpdateStatus.UPDATING:
            state = "Updating" if found.status is DeploymentStatus.ACTIVE else found.status.value
            raise ValidationException(f"The deployment {found.name} is {state}: only an Active one can be updated.")
        model = _active_model(connection, call, request["modelArn"])
        update = {"update_model_arn": model.arn, "update_model_id": model.id}
        state_now = {"update_status": UpdateStatus.UPDATING.value, "failure_message": None, "updated_at": call.at}
        deployments.change(connection, found.id, {**update, **state_now})
    return {"customModelDeploymentArn": found.arn}


def delete_custom_model_deployment(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a deployment in any state. Its custom model stays."""
    with call.ground.database.write() as connection:
        found = _known(connection, call, request["customModelDeploymentIdentifier"])
        deployments.remove(connection, found.id)
        tags.forget(connection, found.arn)
        tokens.forget(connection, found.arn)
    return {}


def _create(connection: sa.Connection, call: Call, request: dict[str, Any]) -> str:
    name, here = request["modelDeploymentName"], (call.region, call.principal.account)
    model = _active_model(connection, call, request["modelArn"])
    if deployments.find(connection, *here, name) is not None:
        raise ValidationException("The provided model deployment name is currently in use.")
    if deployments.count(connection, *here) >= DEPLOYMENTS_LIMIT:
        raise ServiceQuotaExceededException(f"{DEPLOYMENTS_LIMIT} custom model deployments exist in {call.region}.")
    given = tagging.checked(request.get("tags", ()), resource_name=name)
    made = _made(call, request, model)
    deployments.add(connection, made)
    tags.put(connection, made.arn, given)
    return made.arn


def _made(call: Call, request: dict[str, Any], model: models.CustomModel) -> Deployment:
    made_id = call.ground.new_id()
    return Deployment(
        id=made_id,
        arn=arns.deployment(call.region, call.principal.account, made_id),
        account=call.principal.account,
        region=call.region,
        name=request["modelDeploymentName"],
        description=request.get("description"),
        model_arn=model.arn,
        model_id=model.id,
        created_at=call.at,
    )


def _active_model(connection: sa.Connection, call: Call, arn: str) -> models.CustomModel:
    model = models.find(connection, call.region, call.principal.account, arn) if arn.startswith("arn:") else None
    if model is None:
        raise custom_model_unknown(arn)
    if model.status is not ModelStatus.ACTIVE:
        raise ValidationException(
            f"The custom model {model.name} is {model.status}: only an Active one can be deployed."
        )
    return model


def _known(connection: sa.Connection, call: Call, identifier: str) -> Deployment:
    found = deployments.find(connection, call.region, call.principal.account, identifier)
    if found is None:
        raise ResourceNotFoundException(f"There is no custom model deployment {identifier} in this account and Region.")
    return found


def _described(found: Deployment) -> dict[str, Any]:
    update = {"modelArn": found.update_model_arn, "updateStatus": found.update_status and found.update_status.value}
    return present(
        {
            "customModelDeploymentArn": found.arn,
            "modelDeploymentName": found.name,
            "modelArn": found.model_arn,
            "createdAt": found.created_at,
            "status": found.status.value,
            "description": found.description,
            "updateDetails": update if found.update_status is not None else None,
            "failureMessage": found.failure_message,
            "lastUpdatedAt": found.updated_at,
        }
    )


def _summary(found: Deployment) -> dict[str, Any]:
    return present(
        {
            "customModelDeploymentArn": found.arn,
            "customModelDeploymentName": found.name,
            "modelArn": found.model_arn,
            "createdAt": found.created_at,
            "status": found.status.value,
            "lastUpdatedAt": found.updated_at,
            "failureMessage": found.failure_message,
        }
    )


OPERATIONS: dict[str, Operation] = {
    "CreateCustomModelDeployment": create_custom_model_deployment,
    "GetCustomModelDeployment": get_custom_model_deployment,
    "ListCustomModelDeployments": list_custom_model_deployments,
    "UpdateCustomModelDeployment": update_custom_model_deployment,
    "DeleteCustomModelDeployment": delete_custom_model_deployment,
}
