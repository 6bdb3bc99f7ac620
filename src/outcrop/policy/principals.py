"""Whom a Principal or NotPrincipal element names. Knows nothing of the rest of a statement."""

from enum import Enum

from outcrop.policy.document import Principals
from outcrop.policy.request import AccessRequest


class Grant(Enum):
    """To whom a resource's statement speaks.

    CALLER: to the caller himself (or everyone). ROLE: to the role behind his session, so that boundary and session
    policy still limit him. ACCOUNT: to his account, which leaves the word to his own policies.
    """

    CALLER = "caller"
    ROLE = "role"
    ACCOUNT = "account"


def fit(principals: Principals | None, request: AccessRequest) -> Grant | None:
    """How the principals fit who asks, None where they do not."""
    if principals is None:
        return None
    named = _named(principals, request)
    if not principals.excluded:
        return named
    return Grant.CALLER if named in (None, Grant.ACCOUNT) else None  # to except an account excepts nobody in it


def _named(principals: Principals, request: AccessRequest) -> Grant | None:
    if principals.everyone:
        return Grant.CALLER
    if request.service is not None:
        return Grant.CALLER if request.service in principals.kinds.get("Service", ()) else None
    return _named_among(principals.kinds.get("AWS", ()), request)


def _named_among(named: tuple[str, ...], request: AccessRequest) -> Grant | None:
    if "*" in named or (request.principal_arn and request.principal_arn in named):
        return Grant.CALLER
    if request.role_arn is not None and request.role_arn in named:
        return Grant.ROLE
    if request.account and any(name in named for name in (request.account, f"arn:aws:iam::{request.account}:root")):
        return Grant.CALLER if request.is_root else Grant.ACCOUNT
    return None
