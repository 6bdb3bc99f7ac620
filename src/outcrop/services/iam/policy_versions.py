"""Versions of managed policies. Knows nothing of who has the policy."""

from typing import Any

from outcrop import policy
from outcrop.services.call import Call, Operation
from outcrop.services.iam import making, pages, views
from outcrop.store import identities
from outcrop.store.identities import ManagedPolicy, PolicyVersion


def create_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A further version, at once the default one where asked."""
    document = making.checked(
        request["PolicyDocument"], policy.Purpose.IDENTITY, making.MANAGED_CHARACTERS, "PolicySize"
    )
    as_default = request.get("SetAsDefault", False)
    with identities.changing(call.ground.database) as connection:
        held = identities.own_policy(connection, request["PolicyArn"])
        made = identities.add_version(connection, held, document, as_default, call.at)
        return {"PolicyVersion": _view(identities.get_policy(connection, held.arn), made)}


def get_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A version with its document."""
    with call.ground.database.read() as connection:
        held = identities.get_policy(connection, request["PolicyArn"])
        version = identities.get_version(connection, held, request["VersionId"])
    return {"PolicyVersion": {**_view(held, version), "Document": views.encoded(version.document)}}


def list_policy_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The versions of a policy, newest first, without their documents."""
    with call.ground.database.read() as connection:
        held = identities.get_policy(connection, request["PolicyArn"])
        versions = identities.versions(connection, held)
    return pages.page(versions, pages.wanted(request), _newest_first, "Versions", lambda one: _view(held, one))


def set_default_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Let a version be what the policy says."""
    with identities.changing(call.ground.database) as connection:
        held = identities.own_policy(connection, request["PolicyArn"])
        version = identities.get_version(connection, held, request["VersionId"])
        identities.set_default_version(connection, version, call.at)
    return {}


def delete_policy_version(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a version that is not the default one."""
    with identities.changing(call.ground.database) as connection:
        held = identities.own_policy(connection, request["PolicyArn"])
        version = identities.get_version(connection, held, request["VersionId"])
        identities.delete_version(connection, held, version)
    return {}


def _newest_first(version: PolicyVersion) -> str:
    return f"{10**9 - version.version:010}"


def _view(held: ManagedPolicy, version: PolicyVersion) -> dict[str, Any]:
    return {
        "VersionId": f"v{version.version}",
        "IsDefaultVersion": version.version == held.default_version,
        "CreateDate": version.created_at,
    }


OPERATIONS: dict[str, Operation] = {
    "CreatePolicyVersion": create_policy_version,
    "GetPolicyVersion": get_policy_version,
    "ListPolicyVersions": list_policy_versions,
    "SetDefaultPolicyVersion": set_default_policy_version,
    "DeletePolicyVersion": delete_policy_version,
}
