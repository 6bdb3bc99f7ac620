"""Users and roles: made, found, listed, changed, deleted. Knows nothing of credentials and of what policies say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault
from outcrop.store.identities.tables import ACCESS_KEYS, API_KEYS, ATTACHMENTS, ENTITIES, INLINE_POLICIES, SESSIONS


class Kind(StrEnum):
    """What an entity is."""

    USER = "user"
    ROLE = "role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A user or a role. `trust` and `max_session_s` are a role's alone."""

    kind: Kind
    name: str
    path: str
    unique_id: str
    arn: str
    created_at: datetime
    description: str | None = None
    trust: str | None = None
    max_session_s: int | None = None
    boundary: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def create(connection: sa.Connection, entity: Entity) -> None:
    """Remember a new entity; its name must be free, whatever its case."""
    taken = connection.execute(
        sa.select(ENTITIES.c.name).where(ENTITIES.c.kind == entity.kind, ENTITIES.c.folded == entity.name.lower())
    ).first()
    if taken is not None:
        raise Fault("EntityAlreadyExists", f"{entity.kind.capitalize()} with name {entity.name} already exists.")
    connection.execute(sa.insert(ENTITIES).values(**asdict(entity), folded=entity.name.lower()))


def find(connection: sa.Connection, kind: Kind, name: str) -> Entity | None:
    """The entity of that name, or None."""
    query = sa.select(ENTITIES).where(ENTITIES.c.kind == kind, ENTITIES.c.folded == name.lower())
    row = connection.execute(query).first()
    return None if row is None else _entity(row)


def get(connection: sa.Connection, kind: Kind, name: str) -> Entity:
    """The entity of that name, or NoSuchEntity."""
    found = find(connection, kind, name)
    if found is None:
        raise Fault("NoSuchEntity", f"The {kind} with name {name} cannot be found.")
    return found


def behind(connection: sa.Connection, principal_arn: str) -> Entity | None:
    """The user of a principal's ARN, or the role of a session's; None for the account's root."""
    arn = arns.parse(principal_arn)
    kind, _, rest = (arn.resource if arn else "").partition("/")
    if kind == "user":
        return find(connection, Kind.USER, rest.rpartition("/")[2])
    if kind == "assumed-role":
        return find(connection, Kind.ROLE, rest.partition("/")[0])
    return None


def listed(connection: sa.Connection, kind: Kind, path_prefix: str, after: str, limit: int) -> list[Entity]:
    """At most `limit` entities under a path, by name, behind the name `after`."""
    query = (
        sa.select(ENTITIES)
        .where(ENTITIES.c.kind == kind, ENTITIES.c.folded > after.lower())
        .where(ENTITIES.c.path.startswith(path_prefix, autoescape=True))
        .order_by(ENTITIES.c.folded)
        .limit(limit)
    )
    return [_entity(row) for row in connection.execute(query)]


def change(connection: sa.Connection, entity: Entity, **columns: Any) -> None:
    """Set columns of an entity."""
    query = sa.update(ENTITIES).where(ENTITIES.c.kind == entity.kind, ENTITIES.c.name == entity.name)
    connection.execute(query.values(**columns))


def delete(connection: sa.Connection, entity: Entity) -> None:
    """Forget an entity and its sessions; DeleteConflict while policies or keys hang on it."""
    for table, what in ((ATTACHMENTS, "detach all policies"), (INLINE_POLICIES, "delete policies")):
        if _any(connection, table, table.c.kind == entity.kind, table.c.name == entity.name):
            raise _conflict(what)
    if entity.kind is Kind.USER and _any(connection, ACCESS_KEYS, ACCESS_KEYS.c.user_name == entity.name):
        raise _conflict("delete access keys")
    if entity.kind is Kind.USER and _any(connection, API_KEYS, API_KEYS.c.user_name == entity.name):
        raise _conflict("delete service-specific credentials")
    if entity.kind is Kind.ROLE:
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.role_name == entity.name))
    connection.execute(sa.delete(ENTITIES).where(ENTITIES.c.kind == entity.kind, ENTITIES.c.name == entity.name))


def _any(connection: sa.Connection, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> bool:
    return (
        connection.execute(sa.select(sa.literal(1)).select_from(table).where(*conditions).limit(1)).first() is not None
    )


def _conflict(what: str) -> Fault:
    return Fault("DeleteConflict", f"Cannot delete entity, must {what} first.")


def _entity(row: sa.Row[Any]) -> Entity:
    values = dict(row._mapping)
    del values["folded"]
    return Entity(**{**values, "kind": Kind(values["kind"])})
