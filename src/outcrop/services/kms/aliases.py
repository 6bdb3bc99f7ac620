"""Aliases: names for keys, in a Region."""

from typing import Any

from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault, ValidationException
from outcrop.services.call import Call, Operation
from outcrop.services.kms.ring import lasting, owned, page, ring
from outcrop.store.keys import Alias, KmsKey

ALIASES_UNLESS_ASKED = 50
PREFIX, RESERVED = "alias/", "alias/aws/"


def create_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A name for a key; the name must be free in the Region."""
    name = _name(request["AliasName"])
    alias = Alias(
        region=call.region,
        name=name,
        arn=_arn(call, name),
        key_id=_target(call, request).key_id,
        created_at=call.at,
        updated_at=call.at,
    )
    keys = ring(call)
    keys.reap(call.at)  # the names of keys that are gone are free at once
    keys.add_alias(alias)
    return {}


def update_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Let a name mean another key."""
    arn = _arn(call, _name(request["AliasName"]))
    ring(call).point_alias(call.region, arn, _target(call, request).key_id, call.at)
    return {}


def delete_alias(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a name; the key stays."""
    ring(call).delete_alias(call.region, _arn(call, _name(request["AliasName"])))
    return {}


def list_aliases(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The aliases of the Region, or of one key."""
    limit = request.get("Limit", ALIASES_UNLESS_ASKED)
    key_id = owned(call, request["KeyId"]).key_id if "KeyId" in request else None
    rows = ring(call).aliases(call.region, key_id, request.get("Marker", ""), limit + 1, call.at)
    shown = rows[:limit]
    return {"Aliases": [_view(alias) for alias in shown], **page(rows, limit, shown[-1].name if shown else "")}


def _name(name: str) -> str:
    if not name.startswith(PREFIX) or len(name) == len(PREFIX) or ":" in name:
        raise Fault("InvalidAliasNameException", f"{name} is not an alias name: those are {PREFIX} and a name.")
    if name.startswith(RESERVED):
        raise Fault("NotAuthorizedException", f"Aliases under {RESERVED} are reserved.")
    return name


def _target(call: Call, request: dict[str, Any]) -> KmsKey:
    if PREFIX in request["TargetKeyId"]:
        raise ValidationException("Aliases must refer to keys. Not aliases")
    return lasting(call, request["TargetKeyId"])


def _arn(call: Call, name: str) -> str:
    return arns.kms_alias(call.region, call.principal.account, name)


def _view(alias: Alias) -> dict[str, Any]:
    return {
        "AliasName": alias.name,
        "AliasArn": alias.arn,
        "TargetKeyId": alias.key_id,
        "CreationDate": alias.created_at,
        "LastUpdatedDate": alias.updated_at,
    }


OPERATIONS: dict[str, Operation] = {
    "CreateAlias": create_alias,
    "UpdateAlias": update_alias,
    "DeleteAlias": delete_alias,
    "ListAliases": list_aliases,
}
