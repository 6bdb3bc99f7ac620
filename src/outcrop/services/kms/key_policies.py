"""Key policies: read, written, checked so that their owner does not lock himself out."""

import json
from typing import Any

from outcrop import policy
from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.kms.ring import lasting, owned, ring
from outcrop.store import identities

ONLY_NAME = "default"
CHARACTERS = 32_768
_EVERYTHING = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def get_key_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A key's policy."""
    _require_only_name(request)
    return {"Policy": owned(call, request["KeyId"]).policy, "PolicyName": ONLY_NAME}


def put_key_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Write a key's policy."""
    _require_only_name(request)
    key = lasting(call, request["KeyId"])
    ring(call).change(key, policy=accepted(call, request))
    return {}


def list_key_policies(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The names of a key's policies: the one."""
    owned(call, request["KeyId"])
    return {"PolicyNames": [ONLY_NAME], "Truncated": False}


def default(account: str) -> str:
    """The policy of a key that is made without one: the account's own policies decide."""
    statement = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": arns.iam(account, "root")},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Id": "key-default-1", "Statement": [statement]})


def accepted(call: Call, request: dict[str, Any]) -> str:
    """The policy of a request, if it is in order and leaves its sender able to change it again."""
    document: str = request["Policy"]
    if len(document) > CHARACTERS:
        raise Fault("LimitExceededException", f"A key policy has at most {CHARACTERS} characters.")
    try:
        parsed = policy.parse(document, policy.Purpose.RESOURCE)
    except Fault as fault:
        raise Fault("MalformedPolicyDocumentException", fault.message) from None
    if not request.get("BypassPolicyLockoutSafetyCheck", False) and not _keeps_open(call, parsed):
        raise Fault(
            "MalformedPolicyDocumentException",
            "The new key policy will not allow you to update the key policy in the future.",
        )
    return document


def _keeps_open(call: Call, document: policy.Policy) -> bool:
    asking = policy.AccessRequest(
        action="kms:PutKeyPolicy",
        resource="*",
        principal_arn=call.principal.arn,
        account=call.principal.account,
        role_arn=_role_of_session(call),
        resource_must_agree=True,
    )
    return policy.evaluate(asking, identity=[_EVERYTHING], resource=document).allowed


def _role_of_session(call: Call) -> str | None:
    if not call.principal.session:
        return None
    with call.ground.database.read() as connection:
        role = identities.behind(connection, call.principal.arn)
    return None if role is None else role.arn


def _require_only_name(request: dict[str, Any]) -> None:
    if request.get("PolicyName", ONLY_NAME) != ONLY_NAME:
        raise Fault("NotFoundException", "No such policy exists")


OPERATIONS: dict[str, Operation] = {
    "GetKeyPolicy": get_key_policy,
    "PutKeyPolicy": put_key_policy,
    "ListKeyPolicies": list_key_policies,
}
