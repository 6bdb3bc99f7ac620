"""Keys: create, describe, list. Symmetric encryption keys only."""

import uuid
from typing import Any

from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.kms import key_policies, tags
from outcrop.services.kms.ring import named, owned, page, ring
from outcrop.store.keys import KeyState, KmsKey

KEYS_UNLESS_ASKED = 100
_ONLY = {
    "KeyUsage": "ENCRYPT_DECRYPT",
    "KeySpec": "SYMMETRIC_DEFAULT",
    "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "Origin": "AWS_KMS",
    "MultiRegion": False,
}


def create_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A new symmetric key with fresh material, enabled."""
    _refuse_other_kinds(request)
    key_id = str(uuid.uuid4())
    account = call.principal.account
    key = KmsKey(
        key_id=key_id,
        arn=arns.kms_key(call.region, account, key_id),
        account=account,
        region=call.region,
        state=KeyState.ENABLED,
        created_at=call.at,
        description=request.get("Description", ""),
        policy=key_policies.accepted(call, request) if "Policy" in request else key_policies.default(account),
        tags=tags.merged({}, request.get("Tags", [])),
    )
    ring(call).create(key)
    return {"KeyMetadata": _metadata(key)}


def describe_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A key by id, ARN, alias or alias ARN."""
    return {"KeyMetadata": _metadata(named(call, request["KeyId"]))}


def list_keys(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The keys of the Region."""
    limit = request.get("Limit", KEYS_UNLESS_ASKED)
    rows = ring(call).listed(call.region, request.get("Marker", ""), limit + 1, call.at)
    shown = rows[:limit]
    listed = [{"KeyId": key.key_id, "KeyArn": key.arn} for key in shown]
    return {"Keys": listed, **page(rows, limit, shown[-1].key_id if shown else "")}


def update_key_description(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Change what a key's owner says of it."""
    ring(call).change(owned(call, request["KeyId"]), description=request["Description"])
    return {}


def _refuse_other_kinds(request: dict[str, Any]) -> None:
    other = next((name for name, only in _ONLY.items() if request.get(name, only) != only), None)
    if other is not None:
        raise Fault(
            "UnsupportedOperationException",
            f"Outcrop makes symmetric encryption keys of its own only: {other} may be {_ONLY[other]}, "
            f"{request[other]} was sent.",
        )
    if "CustomKeyStoreId" in request or "XksKeyId" in request:
        raise Fault("UnsupportedOperationException", "Outcrop has no custom key stores.")


def _metadata(key: KmsKey) -> dict[str, Any]:
    deletion = {} if key.deletion_at is None else {"DeletionDate": key.deletion_at}
    return {
        "AWSAccountId": key.account,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": key.created_at,
        "Enabled": key.state is KeyState.ENABLED,
        "Description": key.description,
        "KeyUsage": _ONLY["KeyUsage"],
        "KeyState": key.state.value,
        **deletion,
        "Origin": _ONLY["Origin"],
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": _ONLY["CustomerMasterKeySpec"],
        "KeySpec": _ONLY["KeySpec"],
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": False,
    }


OPERATIONS: dict[str, Operation] = {
    "CreateKey": create_key,
    "DescribeKey": describe_key,
    "ListKeys": list_keys,
    "UpdateKeyDescription": update_key_description,
}
