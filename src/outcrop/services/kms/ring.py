"""The key ring behind a call, and the key that a request names in it."""

from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.call import Call
from outcrop.store.keys import Keys, KeyState, KmsKey


def ring(call: Call) -> Keys:
    """The account's keys. The worker destroys those whose waiting period is over; until then they are hidden."""
    return Keys(call.ground.database, call.ground.master_key)


def named(call: Call, identifier: str) -> KmsKey:
    """The key of an id, ARN, alias or alias ARN."""
    return ring(call).resolve(call.region, identifier, call.at)


def owned(call: Call, identifier: str) -> KmsKey:
    """The key of an id or ARN; operations on a key itself take no alias."""
    if "alias/" in identifier:
        raise Fault("NotFoundException", f"Invalid keyId '{identifier}': this operation takes a key id or key ARN.")
    return named(call, identifier)


def lasting(call: Call, identifier: str) -> KmsKey:
    """A key of an id or ARN that is not about to be deleted."""
    key = owned(call, identifier)
    if key.state is KeyState.PENDING_DELETION:
        raise Fault("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    return key


def page(rows: list[Any], limit: int, marker: str) -> dict[str, Any]:
    """The tail of a list's answer: whether there is more behind `limit` rows, and where."""
    return {"Truncated": True, "NextMarker": marker} if len(rows) > limit else {"Truncated": False}
