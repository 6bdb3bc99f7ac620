"""Policies written into users and roles. Knows nothing of what they say but that they are in order."""

from typing import Any

from outcrop import policy
from outcrop.domain.errors import Fault
from outcrop.services.call import Call
from outcrop.services.iam import holders, making, pages, views
from outcrop.store import identities
from outcrop.store.identities import Kind

CHARACTERS = {Kind.USER: 2048, Kind.ROLE: 10_240}  # of all inline policies of one holder together


def put_policy(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Write an inline policy, in place of the one of that name."""
    name, document = request["PolicyName"], request["PolicyDocument"]
    policy.parse(document, policy.Purpose.IDENTITY)
    with identities.changing(call.ground.database) as connection:
        holder = holders.changeable(connection, kind, request)
        others = [one for one in identities.inline_names(connection, holder) if one != name]
        written = sum(making.size(identities.inline(connection, holder, one)) for one in others)
        if written + making.size(document) > CHARACTERS[kind]:
            raise Fault(
                "LimitExceeded",
                f"Maximum policy size of {CHARACTERS[kind]} bytes exceeded for {kind} {holder.name}",
            )
        identities.put_inline(connection, holder, name, document)
    return {}


def get_policy(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """An inline policy with its document."""
    with call.ground.database.read() as connection:
        holder = holders.named(connection, kind, request)
        document = identities.inline(connection, holder, request["PolicyName"])
    return {
        f"{kind.capitalize()}Name": holder.name,
        "PolicyName": request["PolicyName"],
        "PolicyDocument": views.encoded(document),
    }


def list_policies(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The names of the inline policies of a user or role."""
    with call.ground.database.read() as connection:
        names = identities.inline_names(connection, holders.named(connection, kind, request))
    return pages.page(names, pages.wanted(request), str, "PolicyNames", str)


def delete_policy(kind: Kind, call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget an inline policy."""
    with identities.changing(call.ground.database) as connection:
        holder = holders.changeable(connection, kind, request)
        identities.delete_inline(connection, holder, request["PolicyName"])
    return {}


OPERATIONS = holders.for_both(
    {
        "Put{}Policy": put_policy,
        "Get{}Policy": get_policy,
        "List{}Policies": list_policies,
        "Delete{}Policy": delete_policy,
    }
)
