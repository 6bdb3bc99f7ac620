"""Service-linked roles: a role that only its service may assume, made and deleted under its service's name."""

import json
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.iam import making, views
from outcrop.services.iam.roles import SERVICE_PATH, SESSION_S_UNLESS_ASKED
from outcrop.store import identities
from outcrop.store.identities import Entity, Kind

_DOMAIN = ".amazonaws.com"
_TASK = "task"


def create_service_linked_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The role of a service, such as AWSServiceRoleForBedrock for bedrock.amazonaws.com."""
    service = request["AWSServiceName"]
    name = _name(service, request.get("CustomSuffix"))
    path = f"{SERVICE_PATH}{service}/"
    role = Entity(
        kind=Kind.ROLE,
        name=name,
        path=path,
        unique_id=making.unique_id(call, making.ROLE_PREFIX),
        arn=making.arn(call, "role", path, name),
        created_at=call.at,
        description=request.get("Description"),
        trust=_trust(service),
        max_session_s=SESSION_S_UNLESS_ASKED,
    )
    with identities.changing(call.ground.database) as connection:
        if identities.find(connection, Kind.ROLE, name) is not None:
            raise Fault(
                "InvalidInput",
                f"Service role name {name} has been taken in this account, please try a different suffix.",
            )
        identities.create(connection, role)
    return {"Role": views.role(role)}


def delete_service_linked_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a service's role. No service holds on to one, so that the task is done when it is answered."""
    with identities.changing(call.ground.database) as connection:
        role = identities.get(connection, Kind.ROLE, request["RoleName"])
        if not role.path.startswith(SERVICE_PATH):
            raise Fault("NoSuchEntity", f"The role with name {role.name} is not a service-linked role.")
        identities.delete(connection, role)
    return {"DeletionTaskId": f"{_TASK}{role.path}{role.name}/{call.ground.new_id()}"}


def get_service_linked_role_deletion_status(_call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A task that was answered is done."""
    if not request["DeletionTaskId"].startswith(f"{_TASK}{SERVICE_PATH}"):
        raise Fault("NoSuchEntity", f"The deletion task {request['DeletionTaskId']} cannot be found.")
    return {"Status": "SUCCEEDED"}


def _name(service: str, suffix: str | None) -> str:
    label = service.removesuffix(_DOMAIN)
    if label == service or not label:
        raise Fault("InvalidInput", f"{service} is not a service's name, such as bedrock.amazonaws.com.")
    words = label.replace("-", ".").split(".")
    return (
        "AWSServiceRoleFor" + "".join(word[:1].upper() + word[1:] for word in words) + (f"_{suffix}" if suffix else "")
    )


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


OPERATIONS: dict[str, Operation] = {
    "CreateServiceLinkedRole": create_service_linked_role,
    "DeleteServiceLinkedRole": delete_service_linked_role,
    "GetServiceLinkedRoleDeletionStatus": get_service_linked_role_deletion_status,
}
