"""Who calls."""

from typing import Any

from outcrop.services.call import Call, Operation


def get_caller_identity(call: Call, _request: dict[str, Any]) -> dict[str, Any]:
    """The account, id and ARN behind the signature: the root's, a user's, or a session's."""
    principal = call.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


OPERATIONS: dict[str, Operation] = {"GetCallerIdentity": get_caller_identity}
