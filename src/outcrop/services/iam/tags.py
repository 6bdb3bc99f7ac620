"""Tags of users, roles and policies."""

from collections.abc import Mapping
from typing import Any

from outcrop.services.call import Call, Operation
from outcrop.services.iam import holders, making, pages, views
from outcrop.store import identities
from outcrop.store.identities import Kind


def tag_holder(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Write tags over those of a user or role."""
    with identities.changing(call.ground.database) as connection:
        holder = holders.changeable(connection, kind, request)
        identities.change(connection, holder, tags=making.merged(holder.tags, request["Tags"]))
    return {}


def untag_holder(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take tags away; a key that is not there is no mistake."""
    with identities.changing(call.ground.database) as connection:
        holder = holders.changeable(connection, kind, request)
        identities.change(connection, holder, tags=_without(holder.tags, request["TagKeys"]))
    return {}


def list_holder_tags(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The tags of a user or role."""
    with call.ground.database.read() as connection:
        return _listed(holders.named(connection, kind, request).tags, request)


def tag_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Write tags over those of a policy."""
    with identities.changing(call.ground.database) as connection:
        policy = identities.own_policy(connection, request["PolicyArn"])
        identities.tag_policy(connection, policy, making.merged(policy.tags, request["Tags"]))
    return {}


def untag_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take tags of a policy away."""
    with identities.changing(call.ground.database) as connection:
        policy = identities.own_policy(connection, request["PolicyArn"])
        identities.tag_policy(connection, policy, _without(policy.tags, request["TagKeys"]))
    return {}


def list_policy_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The tags of a policy."""
    with call.ground.database.read() as connection:
        return _listed(identities.get_policy(connection, request["PolicyArn"]).tags, request)


def _without(held: Mapping[str, str], keys: list[str]) -> dict[str, str]:
    return {key: value for key, value in held.items() if key not in keys}


def _listed(held: Mapping[str, str], request: dict[str, Any]) -> dict[str, Any]:
    ordered = views.tags(dict(sorted(held.items())))
    return pages.page(ordered, pages.wanted(request), lambda tag: tag["Key"], "Tags", lambda tag: tag)


OPERATIONS: dict[str, Operation] = {
    **holders.for_both({"Tag{}": tag_holder, "Untag{}": untag_holder, "List{}Tags": list_holder_tags}),
    "TagPolicy": tag_policy,
    "UntagPolicy": untag_policy,
    "ListPolicyTags": list_policy_tags,
}
