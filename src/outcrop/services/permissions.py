"""What policies say of one caller, read once. Knows no operation: who asks says action and resource."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outcrop import policy
from outcrop.domain.errors import AccessDeniedException
from outcrop.services import facts
from outcrop.services.call import Call
from outcrop.store import identities

API_KEY_KIND = "LONG_TERM"  # the condition key bedrock:BearerTokenType; IAM makes no other


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What is kept of a caller until identities change. Of a root, and of who is gone by now, it is nothing."""

    identity: tuple[policy.Policy, ...] = ()
    boundary: policy.Policy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Permissions:
    """The caller's policies, boundary and tags, as they are now (see `identities.believed`)."""

    def __init__(self, call: Call) -> None:
        self._call, self._principal = call, call.principal
        name = ("policies", call.principal.arn)
        read: _Read = identities.believed(call.ground.database, name, call.at, lambda: _read(call))
        self._identity, self._boundary = read.identity, read.boundary
        self._facts = {
            **facts.circumstances(call),
            **policy.tag_facts(read.tags, policy.PRINCIPAL),
            "bedrock:BearerTokenType": API_KEY_KIND,
        }

    def allow(self, action: str, resource: str) -> bool:
        """May the caller? Blocks, as `require` does: a resource's tags are read anew."""
        return self._decide(action, resource).allowed

    def require(self, action: str, resource: str, **also: str) -> None:
        """Raises AccessDeniedException, with the reason, where the caller may not."""
        decision = self._decide(action, resource, **also)
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

    def _decide(self, action: str, resource: str, **also: str) -> policy.Decision:
        asked = policy.AccessRequest(
            action=action,
            resource=resource,
            principal_arn=self._principal.arn,
            account=self._principal.account,
            context={**self._facts, **facts.of_resource(self._call, resource), **also},
        )
        return policy.evaluate(asked, identity=self._identity, boundary=self._boundary)


def _read(call: Call) -> _Read:
    """Read anew when identities have changed."""
    with call.ground.database.read() as connection:
        caller = identities.behind(connection, call.principal.arn)
        if caller is None:
            return _Read()
        papers = identities.papers_of(connection, caller)
    return _Read(
        identity=tuple(policy.parse(document) for document in papers.identity),
        boundary=None if papers.boundary is None else policy.parse(papers.boundary),
        tags=caller.tags,
    )
