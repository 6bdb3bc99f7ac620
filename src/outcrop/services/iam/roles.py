"""Roles: create, get, list, change, delete. Knows nothing of what they may do."""

from typing import Any

import sqlalchemy as sa

from outcrop import policy
from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.iam import making, pages, views
from outcrop.store import identities
from outcrop.store.identities import Entity, Kind

SESSION_S_UNLESS_ASKED = 3600
SERVICE_PATH = "/aws-service-role/"


def create_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A new role with its trust policy."""
    name, path = request["RoleName"], making.path(request)
    if path.startswith(SERVICE_PATH):
        raise Fault("ValidationError", f"Paths under {SERVICE_PATH} are those of service-linked roles.")
    role = Entity(
        kind=Kind.ROLE,
        name=name,
        path=path,
        unique_id=making.unique_id(call, making.ROLE_PREFIX),
        arn=making.arn(call, "role", path, name),
        created_at=call.at,
        description=request.get("Description"),
        trust=_trust(request["AssumeRolePolicyDocument"]),
        max_session_s=request.get("MaxSessionDuration", SESSION_S_UNLESS_ASKED),
        boundary=request.get("PermissionsBoundary"),
        tags=making.new_tags(request),
    )
    with identities.changing(call.ground.database) as connection:
        if role.boundary is not None:
            identities.get_policy(connection, role.boundary)
        identities.create(connection, role)
    return {"Role": views.role(role)}


def get_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A role by name."""
    with call.ground.database.read() as connection:
        return {"Role": views.role(identities.get(connection, Kind.ROLE, request["RoleName"]))}


def list_roles(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Roles under a path, by name."""
    asked = pages.wanted(request)
    with call.ground.database.read() as connection:
        found = identities.listed(connection, Kind.ROLE, request.get("PathPrefix", "/"), asked.after, asked.limit + 1)
    return pages.page(found, asked, lambda role: role.name.lower(), "Roles", views.listed_role)


def update_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Change a role's description and longest session."""
    columns = {"description": "Description", "max_session_s": "MaxSessionDuration"}
    changed = {column: request[member] for column, member in columns.items() if member in request}
    with identities.changing(call.ground.database) as connection:
        role = own_role(connection, request["RoleName"])
        if changed:
            identities.change(connection, role, **changed)
    return {}


def update_role_description(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Change a role's description, and answer the role."""
    update_role(call, request)
    return get_role(call, request)


def update_assume_role_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Change whom a role trusts."""
    with identities.changing(call.ground.database) as connection:
        role = own_role(connection, request["RoleName"])
        identities.change(connection, role, trust=_trust(request["PolicyDocument"]))
    return {}


def delete_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a role on which nothing hangs any more; its sessions end."""
    with identities.changing(call.ground.database) as connection:
        identities.delete(connection, own_role(connection, request["RoleName"]))
    return {}


def list_instance_profiles_for_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """No profile: Outcrop has no instances. Clean-up scripts ask before they delete a role."""
    with call.ground.database.read() as connection:
        identities.get(connection, Kind.ROLE, request["RoleName"])
    return {"InstanceProfiles": [], "IsTruncated": False}


def own_role(connection: sa.Connection, name: str) -> Entity:
    """A role that the account may change: a service-linked one is its service's."""
    role = identities.get(connection, Kind.ROLE, name)
    if role.path.startswith(SERVICE_PATH):
        raise Fault("UnmodifiableEntity", f"Cannot perform the operation on the protected role '{name}'.")
    return role


def _trust(document: str) -> str:
    return making.checked(document, policy.Purpose.TRUST, making.TRUST_CHARACTERS, "ACLSizePerRole")


OPERATIONS: dict[str, Operation] = {
    "CreateRole": create_role,
    "GetRole": get_role,
    "ListRoles": list_roles,
    "UpdateRole": update_role,
    "UpdateRoleDescription": update_role_description,
    "UpdateAssumeRolePolicy": update_assume_role_policy,
    "DeleteRole": delete_role,
    "ListInstanceProfilesForRole": list_instance_profiles_for_role,
}
