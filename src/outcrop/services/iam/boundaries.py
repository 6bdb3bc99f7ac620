"""Permissions boundaries of users and roles: a managed policy beyond which no other policy gives anything."""

from typing import Any

from outcrop.services.call import Call
from outcrop.services.iam import holders
from outcrop.store import identities
from outcrop.store.identities import Kind


def put_boundary(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Set the boundary."""
    with identities.changing(call.ground.database) as connection:
        holder = holders.changeable(connection, kind, request)
        policy = identities.get_policy(connection, request["PermissionsBoundary"])
        identities.change(connection, holder, boundary=policy.arn)
    return {}


def delete_boundary(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take the boundary away."""
    with identities.changing(call.ground.database) as connection:
        identities.change(connection, holders.changeable(connection, kind, request), boundary=None)
    return {}


OPERATIONS = holders.for_both(
    {"Put{}PermissionsBoundary": put_boundary, "Delete{}PermissionsBoundary": delete_boundary}
)
