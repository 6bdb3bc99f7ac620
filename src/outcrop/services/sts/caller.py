"""Who calls: GetCallerIdentity, and what the caller's policies say."""

from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.services.call import Call, Operation, Principal
from outcrop.store import identities
from outcrop.store.identities import Entity, Kind


def get_caller_identity(call: Call, _request: dict[str, Any]) -> dict[str, Any]:
    """The account, id and ARN behind the signature: the root's, a user's, or a session's."""
    principal = call.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def entity_of(connection: sa.Connection, principal: Principal) -> Entity | None:
    """The user who calls, or the role in whose session he does; None for the account's root."""
    arn = arns.parse(principal.arn)
    kind, _, rest = (arn.resource if arn else "").partition("/")
    if kind == "user":
        return identities.find(connection, Kind.USER, rest.rpartition("/")[2])
    if kind == "assumed-role":
        return identities.find(connection, Kind.ROLE, rest.partition("/")[0])
    return None


OPERATIONS: dict[str, Operation] = {"GetCallerIdentity": get_caller_identity}
