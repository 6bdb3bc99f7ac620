"""What hangs on users and roles: attached policies, inline policies, boundaries. Knows nothing of what they say."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import Fault
from outcrop.store.identities.entities import Entity, Kind
from outcrop.store.identities.policies import default_document, find_policy
from outcrop.store.identities.tables import ATTACHMENTS, INLINE_POLICIES, SESSIONS

ATTACHED_AT_MOST = 10

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """All that policies say about an identity, in the words of `policy.evaluate`."""

    identity: Sequence[Document] = ()
    boundary: Document | None = None
    session: Document | None = None


# ---- attached policies


def attach(connection: sa.Connection, entity: Entity, policy_arn: str) -> None:
    """Attach a managed policy; attaching it again changes nothing."""
    if find_policy(connection, policy_arn) is None:
        raise Fault("NoSuchEntity", f"Policy {policy_arn} does not exist or is not attachable.")
    already = attached(connection, entity)
    if policy_arn in already:
        return
    if len(already) >= ATTACHED_AT_MOST:
        limit = f"PoliciesPer{entity.kind.capitalize()}: {ATTACHED_AT_MOST}"
        raise Fault("LimitExceeded", f"Cannot exceed quota for {limit}")
    values = {"kind": entity.kind, "name": entity.name, "policy_arn": policy_arn}
    connection.execute(sa.insert(ATTACHMENTS).values(values))


def detach(connection: sa.Connection, entity: Entity, policy_arn: str) -> None:
    """Detach a managed policy, or NoSuchEntity."""
    query = sa.delete(ATTACHMENTS).where(*_on(ATTACHMENTS, entity), ATTACHMENTS.c.policy_arn == policy_arn)
    if not connection.execute(query).rowcount:
        raise Fault("NoSuchEntity", f"Policy {policy_arn} was not found.")


def attached(connection: sa.Connection, entity: Entity) -> list[str]:
    """The ARNs of the attached policies, in their order."""
    query = sa.select(ATTACHMENTS.c.policy_arn).where(*_on(ATTACHMENTS, entity)).order_by(ATTACHMENTS.c.policy_arn)
    return list(connection.execute(query).scalars())


def attached_to(connection: sa.Connection, policy_arn: str) -> list[tuple[Kind, str]]:
    """To which entities a policy is attached: kind and name."""
    query = sa.select(ATTACHMENTS.c.kind, ATTACHMENTS.c.name).where(ATTACHMENTS.c.policy_arn == policy_arn)
    return [(Kind(kind), name) for kind, name in connection.execute(query.order_by(*ATTACHMENTS.c[("kind", "name")]))]


# ---- inline policies


def put_inline(connection: sa.Connection, entity: Entity, policy_name: str, document: str) -> None:
    """Write an inline policy, in place of the one of that name."""
    connection.execute(sa.delete(INLINE_POLICIES).where(*_inline(entity, policy_name)))
    values = {"kind": entity.kind, "name": entity.name, "policy_name": policy_name, "document": document}
    connection.execute(sa.insert(INLINE_POLICIES).values(values))


def inline(connection: sa.Connection, entity: Entity, policy_name: str) -> str:
    """The document of an inline policy, or NoSuchEntity."""
    query = sa.select(INLINE_POLICIES.c.document).where(*_inline(entity, policy_name))
    document: str | None = connection.execute(query).scalar()
    if document is None:
        raise _no_inline(entity, policy_name)
    return document


def inline_names(connection: sa.Connection, entity: Entity) -> list[str]:
    """The names of the inline policies, in their order."""
    names = INLINE_POLICIES.c.policy_name
    return list(connection.execute(sa.select(names).where(*_on(INLINE_POLICIES, entity)).order_by(names)).scalars())


def delete_inline(connection: sa.Connection, entity: Entity, policy_name: str) -> None:
    """Forget an inline policy, or NoSuchEntity."""
    if not connection.execute(sa.delete(INLINE_POLICIES).where(*_inline(entity, policy_name))).rowcount:
        raise _no_inline(entity, policy_name)


# ---- all documents of an identity


def documents(connection: sa.Connection, entity: Entity) -> list[Document]:
    """What an entity's attached and inline policies say."""
    texts = [default_document(connection, arn) for arn in attached(connection, entity)]
    query = sa.select(INLINE_POLICIES.c.document).where(*_on(INLINE_POLICIES, entity))
    texts += connection.execute(query.order_by(INLINE_POLICIES.c.policy_name)).scalars()
    return [json.loads(text) for text in texts if text is not None]


def papers_of(connection: sa.Connection, entity: Entity, session_key_id: str | None = None) -> Papers:
    """Everything that decides what an entity may, in a session or not."""
    boundary = default_document(connection, entity.boundary) if entity.boundary else None
    session = None
    if session_key_id is not None:
        session = connection.execute(
            sa.select(SESSIONS.c.policy).where(SESSIONS.c.access_key_id == session_key_id)
        ).scalar()
    return Papers(
        identity=documents(connection, entity),
        boundary=json.loads(boundary) if boundary else None,
        session=json.loads(session) if session else None,
    )


def _on(table: sa.Table, entity: Entity) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.kind == entity.kind, table.c.name == entity.name


def _inline(entity: Entity, policy_name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return *_on(INLINE_POLICIES, entity), INLINE_POLICIES.c.policy_name == policy_name


def _no_inline(entity: Entity, policy_name: str) -> Fault:
    return Fault("NoSuchEntity", f"The {entity.kind} policy with name {policy_name} cannot be found.")
