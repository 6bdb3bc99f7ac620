"""A key's life: enable, disable, schedule its deletion, cancel that. Once the waiting period is over it is gone."""

from datetime import timedelta
from typing import Any

from outcrop.domain.errors import Fault, ValidationException
from outcrop.services.call import Call, Operation
from outcrop.services.kms.ring import lasting, owned, ring
from outcrop.store.keys import KeyState

SHORTEST_WAIT_DAYS, LONGEST_WAIT_DAYS = 7, 30


def enable_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Let the key be used."""
    ring(call).change(lasting(call, request["KeyId"]), state=KeyState.ENABLED, deletion_at=None)
    return {}


def disable_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Let the key not be used for now."""
    ring(call).change(lasting(call, request["KeyId"]), state=KeyState.DISABLED, deletion_at=None)
    return {}


def schedule_key_deletion(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Let the key not be used any more, and be gone after the waiting period."""
    days = request.get("PendingWindowInDays", LONGEST_WAIT_DAYS)
    if not SHORTEST_WAIT_DAYS <= days <= LONGEST_WAIT_DAYS:
        raise ValidationException(
            f"PendingWindowInDays must be from {SHORTEST_WAIT_DAYS} to {LONGEST_WAIT_DAYS}; {days} was sent."
        )
    key = lasting(call, request["KeyId"])
    deletion_at = call.at + timedelta(days=days)
    ring(call).change(key, state=KeyState.PENDING_DELETION, deletion_at=deletion_at)
    return {
        "KeyId": key.arn,
        "DeletionDate": deletion_at,
        "KeyState": KeyState.PENDING_DELETION.value,
        "PendingWindowInDays": days,
    }


def cancel_key_deletion(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Keep the key after all; it comes back disabled."""
    key = owned(call, request["KeyId"])
    if key.state is not KeyState.PENDING_DELETION:
        raise Fault("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
    ring(call).change(key, state=KeyState.DISABLED, deletion_at=None)
    return {"KeyId": key.arn}


def get_key_rotation_status(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Never rotated by itself."""
    return {"KeyId": owned(call, request["KeyId"]).arn, "KeyRotationEnabled": False}


OPERATIONS: dict[str, Operation] = {
    "EnableKey": enable_key,
    "DisableKey": disable_key,
    "ScheduleKeyDeletion": schedule_key_deletion,
    "CancelKeyDeletion": cancel_key_deletion,
    "GetKeyRotationStatus": get_key_rotation_status,
}
