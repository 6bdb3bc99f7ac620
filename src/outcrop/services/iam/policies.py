"""Managed policies: create, get, list, delete, and who has them. Knows nothing of their versions' texts."""

from typing import Any

from outcrop import policy
from outcrop.services.call import Call, Operation
from outcrop.services.iam import making, pages, views
from outcrop.store import identities
from outcrop.store.identities import Entity, Kind, ManagedPolicy


def create_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A new policy of the account's own."""
    document = making.checked(
        request["PolicyDocument"], policy.Purpose.IDENTITY, making.MANAGED_CHARACTERS, "PolicySize"
    )
    name, path = request["PolicyName"], making.path(request)
    made = ManagedPolicy(
        arn=making.arn(call, "policy", path, name),
        name=name,
        path=path,
        unique_id=making.unique_id(call, making.POLICY_PREFIX),
        created_at=call.at,
        updated_at=call.at,
        description=request.get("Description"),
        tags=making.new_tags(request),
    )
    with identities.changing(call.ground.database) as connection:
        identities.add_policy(connection, made, document)
    return {"Policy": views.policy(made, 0, 0)}


def get_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A policy, the account's or AWS's."""
    with call.ground.database.read() as connection:
        found = identities.get_policy(connection, request["PolicyArn"])
        attachments = identities.attachment_counts(connection).get(found.arn, 0)
        return {"Policy": views.policy(found, attachments, identities.boundary_count(connection, found.arn))}


def list_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Policies of a scope, under a path, attached or not, by name."""
    scope, prefix = request.get("Scope", "All"), request.get("PathPrefix", "/")
    usage = request.get("PolicyUsageFilter")
    with call.ground.database.read() as connection:
        found = [] if scope == "AWS" else identities.policies(connection)
        found = found + ([] if scope == "Local" else identities.aws_policies())
        attached = identities.attachment_counts(connection)
        limits = {one.arn: identities.boundary_count(connection, one.arn) for one in found}
    used = {"PermissionsPolicy": attached, "PermissionsBoundary": limits}.get(usage or "", {})
    if request.get("OnlyAttached", False):
        found = [one for one in found if attached.get(one.arn)]
    if usage is not None:
        found = [one for one in found if used.get(one.arn)]
    ordered = sorted((one for one in found if one.path.startswith(prefix)), key=_in_order)
    return pages.page(
        ordered,
        pages.wanted(request),
        _in_order,
        "Policies",
        lambda one: views.listed_policy(one, attached.get(one.arn, 0), limits[one.arn]),
    )


def delete_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a policy that nobody has any more."""
    with identities.changing(call.ground.database) as connection:
        identities.delete_policy(connection, identities.own_policy(connection, request["PolicyArn"]))
    return {}


def list_entities_for_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Users and roles that have a policy attached."""
    wanted_kind, prefix = request.get("EntityFilter"), request.get("PathPrefix", "/")
    with call.ground.database.read() as connection:
        arn = identities.get_policy(connection, request["PolicyArn"]).arn
        holders = [identities.get(connection, *held) for held in identities.attached_to(connection, arn)]
    shown = [one for one in holders if one.path.startswith(prefix) and wanted_kind in (None, one.kind.capitalize())]
    answer = pages.page(
        sorted(shown, key=_holder_order), pages.wanted(request), _holder_order, "Entities", lambda one: one
    )
    held = answer.pop("Entities")
    return {
        **answer,
        "PolicyGroups": [],
        "PolicyUsers": [{"UserName": o.name, "UserId": o.unique_id} for o in held if o.kind is Kind.USER],
        "PolicyRoles": [{"RoleName": o.name, "RoleId": o.unique_id} for o in held if o.kind is Kind.ROLE],
    }


def _in_order(managed: ManagedPolicy) -> str:
    return f"{managed.name.lower()} {managed.arn}"


def _holder_order(entity: Entity) -> str:
    return f"{entity.kind} {entity.name.lower()}"


OPERATIONS: dict[str, Operation] = {
    "CreatePolicy": create_policy,
    "GetPolicy": get_policy,
    "ListPolicies": list_policies,
    "DeletePolicy": delete_policy,
    "ListEntitiesForPolicy": list_entities_for_policy,
}
