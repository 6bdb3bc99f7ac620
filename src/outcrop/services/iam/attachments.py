"""Managed policies attached to users and roles. Knows nothing of what they say."""

from typing import Any

from outcrop.services.call import Call
from outcrop.services.iam import holders, pages
from outcrop.store import identities
from outcrop.store.identities import Kind


def attach_policy(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Attach a policy; attaching it again changes nothing."""
    with identities.changing(call.ground.database) as connection:
        holder = holders.changeable(connection, kind, request)
        identities.attach(connection, holder, request["PolicyArn"])
    return {}


def detach_policy(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Detach a policy."""
    with identities.changing(call.ground.database) as connection:
        holder = holders.changeable(connection, kind, request)
        identities.detach(connection, holder, request["PolicyArn"])
    return {}


def list_attached_policies(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The attached policies of a user or role."""
    with call.ground.database.read() as connection:
        holder = holders.named(connection, kind, request)
        found = [identities.get_policy(connection, arn) for arn in identities.attached(connection, holder)]
    shown = [policy for policy in found if policy.path.startswith(request.get("PathPrefix", "/"))]
    return pages.page(
        shown,
        pages.wanted(request),
        lambda policy: policy.arn,
        "AttachedPolicies",
        lambda policy: {"PolicyName": policy.name, "PolicyArn": policy.arn},
    )


OPERATIONS = holders.for_both(
    {
        "Attach{}Policy": attach_policy,
        "Detach{}Policy": detach_policy,
        "ListAttached{}Policies": list_attached_policies,
    }
)
