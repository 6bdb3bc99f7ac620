"""May this caller do this? Explicit deny, then boundaries, then allows. Knows nothing of where the documents lie.

any statement denies --------------------------------------> denied
the resource's policy names the caller himself ------------> allowed
his policies allow, and so do boundary and session --------> allowed (where the resource must agree: if it does)
nobody said anything --------------------------------------> denied
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from outcrop.policy import conditions, globs, principals, variables
from outcrop.policy.document import Element, Policy, Statement, parse
from outcrop.policy.principals import Grant
from outcrop.policy.request import AccessRequest
from outcrop.policy.tags import readings
from outcrop.policy.variables import Context, MissingVariable

Document = Policy | str | Mapping[str, Any]

IDENTITY, RESOURCE, BOUNDARY, SESSION = (
    "identity-based policy",
    "resource-based policy",
    "permissions boundary",
    "session policy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer; `reason` is the sentence that explains it. `explicit`: a statement denies it in so many words."""

    allowed: bool
    reason: str
    explicit: bool = False


def evaluate(
    request: AccessRequest,
    *,
    identity: Sequence[Document] = (),
    resource: Document | None = None,
    boundary: Document | None = None,
    session: Document | None = None,
) -> Decision:
    """Decide by IAM's order of rules over the given documents."""
    limits = {kind: document for kind, document in ((BOUNDARY, boundary), (SESSION, session)) if document is not None}
    papers = [(IDENTITY, document) for document in identity] + list(limits.items())
    if resource is not None:
        papers.append((RESOURCE, resource))
    return _decide(request, [voice for kind, document in papers for voice in _heard(kind, document, request)], limits)


def allows_everywhere(action: str, *, identity: Sequence[Document], boundary: Document | None = None) -> bool:
    """Is an action allowed whatever its resource and the circumstances?

    So it is where a statement allows it that tells nothing apart, and no statement denies it anywhere.
    """
    kinds = [identity] if boundary is None else [identity, [boundary]]
    return all(_allow_all(documents, action) for documents in kinds)


def trusts(
    trust_document: Document, service: str = "bedrock.amazonaws.com", context: Mapping[str, Any] | None = None
) -> bool:
    """Does a role's trust policy let a service assume the role?"""
    request = AccessRequest(action="sts:AssumeRole", resource="*", service=service, context=context or {})
    return evaluate(request, resource=trust_document).allowed


@dataclass(frozen=True, slots=True)
class _Voice:
    """A statement that fits the request: in which kind of policy, and to whom it speaks."""

    kind: str
    statement: Statement
    grant: Grant


def _decide(request: AccessRequest, voices: list[_Voice], limits: Mapping[str, Any]) -> Decision:
    denial = next((voice for voice in voices if not voice.statement.allows), None)
    if denial is not None:
        return Decision(allowed=False, reason=_sentence(denial), explicit=True)
    lent = next((voice for voice in voices if voice.kind == RESOURCE and voice.grant is Grant.CALLER), None)
    if lent is not None:
        return Decision(allowed=True, reason=_sentence(lent))
    kinds = {voice.kind for voice in voices}
    if request.resource_must_agree and RESOURCE not in kinds:
        return _silence(request, RESOURCE)
    own = next((voice for voice in voices if _is_own(voice)), None)
    if own is None and not request.is_root:
        return _silence(request, IDENTITY)
    limit = next((kind for kind in limits if kind not in kinds), None)
    if limit is not None:
        return _silence(request, limit)
    return Decision(allowed=True, reason=_sentence(own) if own else "the account's root may do everything")


def _allow_all(documents: Sequence[Document], action: str) -> bool:
    statements = [statement for document in documents for statement in _parsed(document).statements]
    spoken = [statement for statement in statements if _fits_action(statement.actions, action)]
    return all(one.allows for one in spoken) and any(_tells_nothing_apart(one) for one in spoken)


def _tells_nothing_apart(statement: Statement) -> bool:
    resources = statement.resources
    return resources is not None and not resources.excluded and "*" in resources.values and not statement.conditions


def _parsed(document: Document) -> Policy:
    return document if isinstance(document, Policy) else parse(document)


def _is_own(voice: _Voice) -> bool:
    return voice.kind == IDENTITY or (voice.kind == RESOURCE and voice.grant is Grant.ROLE)


def _sentence(voice: _Voice) -> str:
    word = "allowed" if voice.statement.allows else "explicitly denied"
    return f"{word} by {voice.statement.name} ({voice.kind})"


def _silence(request: AccessRequest, kind: str) -> Decision:
    return Decision(allowed=False, reason=f"no {kind} allows {request.action} on {request.resource}")


def _heard(kind: str, document: Document, request: AccessRequest) -> Iterator[_Voice]:
    """The statements of a document that fit the request."""
    for statement in _parsed(document).statements:
        grant = principals.fit(statement.principals, request) if kind == RESOURCE else Grant.CALLER
        if grant is not None and _fits(statement, request):
            yield _Voice(kind, statement, grant)


def _fits(statement: Statement, request: AccessRequest) -> bool:
    return (
        _fits_action(statement.actions, request.action)
        and (statement.resources is None or _fits_resource(statement, statement.resources, request))
        and all(
            _in_readings(statement, request, (one.key, *one.values), partial(conditions.holds, one))
            for one in statement.conditions
        )
    )


def _in_readings(
    statement: Statement, request: AccessRequest, words: Iterable[str], fits: Callable[[Context], bool]
) -> bool:
    """Where a tag is spelled in two ways, a denial needs to fit one of its values, and an allowance each of them."""
    contexts = readings(request.facts, words)
    if contexts is None:
        return not statement.allows
    return all(map(fits, contexts)) if statement.allows else any(map(fits, contexts))


def _fits_action(actions: Element, action: str) -> bool:
    return any(globs.matches(one.lower(), action.lower()) for one in actions.values) != actions.excluded


def _fits_resource(statement: Statement, resources: Element, request: AccessRequest) -> bool:
    def fits(facts: Context) -> bool:
        found = any(_is_resource(one, statement, request.resource, facts) for one in resources.values)
        return found != resources.excluded

    return _in_readings(statement, request, resources.values, fits)


def _is_resource(pattern: str, statement: Statement, resource: str, facts: Context) -> bool:
    if not (statement.variables and variables.has_variables(pattern)):
        return globs.matches(pattern, resource)
    try:
        return globs.matches_atoms(variables.fill_atoms(pattern, facts), resource)
    except MissingVariable:
        return False
