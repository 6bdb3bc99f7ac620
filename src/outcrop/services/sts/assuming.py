"""AssumeRole: temporary credentials, where the role's trust policy and the caller's own allow it."""

import json
from typing import Any

import sqlalchemy as sa

from outcrop import policy
from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault
from outcrop.services import facts
from outcrop.services.call import Call, Operation
from outcrop.store import identities
from outcrop.store.identities import Entity, Kind, Papers, Session, SessionTerms

SESSION_S_UNLESS_ASKED = 3600
CHAINED_SESSION_S = 3600  # a session that opens a further one
POLICY_CHARACTERS = 2048


def assume_role(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Temporary credentials for a role."""
    with call.ground.database.write() as connection:
        role = _trusting_role(connection, call, request)
        terms = SessionTerms(
            name=request["RoleSessionName"],
            duration_s=_duration_s(call, role, request),
            policy=_session_policy(connection, request),
        )
        session = identities.open_session(connection, call.ground.master_key, role, terms, call.at)
    return _answer(call, role, terms, session)


def _trusting_role(connection: sa.Connection, call: Call, request: dict[str, Any]) -> Entity:
    """The role, if it may be assumed; one that is not there is refused in the same words."""
    asked = request["RoleArn"]
    parsed = arns.parse(asked)
    role = identities.find(connection, Kind.ROLE, parsed.resource.rpartition("/")[2]) if parsed else None
    if role is None or role.arn != asked or not _may_assume(connection, call, role, request):
        raise Fault(
            "AccessDenied",
            f"User: {call.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {asked}",
        )
    return role


def _may_assume(connection: sa.Connection, call: Call, role: Entity, request: dict[str, Any]) -> bool:
    caller = identities.behind(connection, call.principal.arn)
    papers = identities.papers_of(connection, caller) if caller else Papers()
    context = {
        **facts.circumstances(call),
        **facts.of_role(role),
        **policy.tag_facts(caller.tags if caller else {}, policy.PRINCIPAL),
        "sts:RoleSessionName": request["RoleSessionName"],
    }
    if "ExternalId" in request:
        context["sts:ExternalId"] = request["ExternalId"]
    asking = policy.AccessRequest(
        action="sts:AssumeRole",
        resource=role.arn,
        principal_arn=call.principal.arn,
        account=call.principal.account,
        role_arn=caller.arn if caller and call.principal.session else None,
        context=context,
        resource_must_agree=True,
    )
    decision = policy.evaluate(asking, identity=papers.identity, boundary=papers.boundary, resource=role.trust)
    return decision.allowed


def _duration_s(call: Call, role: Entity, request: dict[str, Any]) -> int:
    asked: int = request.get("DurationSeconds", SESSION_S_UNLESS_ASKED)
    if call.principal.session and asked > CHAINED_SESSION_S:
        raise Fault(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        )
    if asked > (role.max_session_s or SESSION_S_UNLESS_ASKED):
        raise Fault(
            "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        )
    return asked


def _session_policy(connection: sa.Connection, request: dict[str, Any]) -> str | None:
    """What limits the session: the policy sent with the request and the named ones, together one document."""
    texts = [_checked(request["Policy"])] if "Policy" in request else []
    for named in request.get("PolicyArns", []):
        document = identities.default_document(connection, named["arn"])
        if document is None:
            raise Fault("MalformedPolicyDocument", f"The policy {named['arn']} does not exist.")
        texts.append(document)
    if not texts:
        return None
    return json.dumps({"Version": "2012-10-17", "Statement": [one for text in texts for one in _statements(text)]})


def _checked(document: str) -> str:
    policy.parse(document, policy.Purpose.IDENTITY)
    if len(document) > POLICY_CHARACTERS:
        raise Fault(
            "PackedPolicyTooLarge",
            f"The session policy has {len(document)} characters; {POLICY_CHARACTERS} may be sent.",
        )
    return document


def _statements(text: str) -> list[dict[str, Any]]:
    """The statements of a document without their Sids, which may repeat among documents."""
    statements = json.loads(text)["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    return [{name: value for name, value in one.items() if name != "Sid"} for one in listed]


def _answer(call: Call, role: Entity, terms: SessionTerms, session: Session) -> dict[str, Any]:
    user = {
        "AssumedRoleId": f"{role.unique_id}:{terms.name}",
        "Arn": f"arn:aws:sts::{call.principal.account}:assumed-role/{role.name}/{terms.name}",
    }
    credentials = {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.token,
        "Expiration": session.expires_at,
    }
    return {"Credentials": credentials, "AssumedRoleUser": user, **_packed_size(terms.policy)}


def _packed_size(document: str | None) -> dict[str, int]:
    """How many percent of what a session policy may take are used."""
    return {} if document is None else {"PackedPolicySize": min(100, len(document) * 100 // POLICY_CHARACTERS)}


OPERATIONS: dict[str, Operation] = {"AssumeRole": assume_role}
