"""Access keys of users and, where no user is named, of the caller. Knows nothing of how secrets are kept."""

from typing import Any

import sqlalchemy as sa

from outcrop.services.call import Call, Operation
from outcrop.services.iam import pages
from outcrop.services.iam.users import ROOT_NAME, own_name
from outcrop.store import identities
from outcrop.store.identities import AccessKey, Kind


def create_access_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A new key; the only answer that ever holds its secret."""
    with identities.changing(call.ground.database) as connection:
        owner = _owner(connection, call, request)
        access_key_id, secret = identities.add_access_key(connection, call.ground.master_key, owner, call.at)
        key = identities.access_key(connection, owner, access_key_id)
    return {"AccessKey": {**_view(key), "SecretAccessKey": secret}}


def list_access_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The keys of a user, without their secrets."""
    with call.ground.database.read() as connection:
        keys = identities.access_keys(connection, _owner(connection, call, request))
    ordered = sorted(keys, key=lambda key: key.access_key_id)
    return pages.page(ordered, pages.wanted(request), lambda key: key.access_key_id, "AccessKeyMetadata", _view)


def update_access_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Activate or deactivate a key."""
    with identities.changing(call.ground.database) as connection:
        key = _key(connection, call, request)
        identities.set_access_key_status(connection, key, request["Status"] == "Active")
    return {}


def delete_access_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a key."""
    with identities.changing(call.ground.database) as connection:
        identities.delete_access_key(connection, _key(connection, call, request))
    return {}


def _key(connection: sa.Connection, call: Call, request: dict[str, Any]) -> AccessKey:
    return identities.access_key(connection, _owner(connection, call, request), request["AccessKeyId"])


def _owner(connection: sa.Connection, call: Call, request: dict[str, Any]) -> str:
    """Whose keys are meant; the account's root has no user name."""
    if "UserName" not in request and call.principal.arn.endswith(":root"):
        return identities.ROOT
    return identities.get(connection, Kind.USER, request.get("UserName") or own_name(call)).name


def _view(key: AccessKey) -> dict[str, Any]:
    return {
        "UserName": key.user_name or ROOT_NAME,
        "AccessKeyId": key.access_key_id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": key.created_at,
    }


OPERATIONS: dict[str, Operation] = {
    "CreateAccessKey": create_access_key,
    "ListAccessKeys": list_access_keys,
    "UpdateAccessKey": update_access_key,
    "DeleteAccessKey": delete_access_key,
}
