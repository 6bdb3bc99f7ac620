"""What policies say of one caller, read once. Knows no operation: who asks says action and resource."""

from datetime import datetime
from typing import Any

from outcrop import policy
from outcrop.domain.errors import AccessDeniedException
from outcrop.services.call import Call
from outcrop.store import identities
from outcrop.store.identities import Papers

_Papers = tuple[list[policy.Policy], policy.Policy | None]

API_KEY_KIND = "LONG_TERM"  # the condition key bedrock:BearerTokenType; IAM makes no other


class Permissions:
    """The caller's policies and boundary, as they are now (see `identities.believed`)."""

    def __init__(self, call: Call) -> None:
        self._principal = call.principal
        self._facts = _facts(call)
        name = ("policies", call.principal.arn)
        papers: _Papers = identities.believed(call.ground.database, name, call.at, lambda: _papers(call))
        self._identity, self._boundary = papers

    def allow(self, action: str, resource: str) -> bool:
        """May the caller?"""
        return self._decide(action, resource).allowed

    def require(self, action: str, resource: str, **facts: str) -> None:
        """Raises AccessDeniedException, with the reason, where the caller may not."""
        decision = self._decide(action, resource, **facts)
        if not decision.allowed:
            why = "with an explicit deny" if decision.explicit else "because no policy allows it"
            raise AccessDeniedException(
                f"User: {self._principal.arn} is not authorized to perform: {action} on resource: {resource} "
                f"{why} ({decision.reason})"
            )

    def require_everywhere(self, action: str) -> None:
        """Raises AccessDeniedException unless the caller may, whatever the resource."""
        if not policy.allows_everywhere(action, identity=self._identity, boundary=self._boundary):
            raise AccessDeniedException(
                f"User: {self._principal.arn} is not authorized to perform: {action} with an API key. That takes a "
                "statement that allows it on every resource without a condition, and none that denies it anywhere; "
                "else sign the request with an access key."
            )

    def _decide(self, action: str, resource: str, **facts: str) -> policy.Decision:
        asked = policy.AccessRequest(
            action=action,
            resource=resource,
            principal_arn=self._principal.arn,
            account=self._principal.account,
            context={**self._facts, **facts},
        )
        return policy.evaluate(asked, identity=self._identity, boundary=self._boundary)


def _papers(call: Call) -> _Papers:
    """Identity policies, and the boundary; read anew when identities have changed."""
    with call.ground.database.read() as connection:
        caller = identities.behind(connection, call.principal.arn)
        papers = Papers() if caller is None else identities.papers_of(connection, caller)
    boundary = None if papers.boundary is None else policy.parse(papers.boundary)
    return [policy.parse(document) for document in papers.identity], boundary


def _facts(call: Call) -> dict[str, Any]:
    address = {} if call.source_ip is None else {"aws:SourceIp": call.source_ip}
    return {
        **address,
        "aws:CurrentTime": call.at.isoformat(),
        "aws:EpochTime": _epoch(call.at),
        "aws:RequestedRegion": call.region,
        "aws:SecureTransport": call.ground.settings.tls,
        "aws:userid": call.principal.user_id,
        "bedrock:BearerTokenType": API_KEY_KIND,
    }


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
