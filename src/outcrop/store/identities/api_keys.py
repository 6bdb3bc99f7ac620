"""Bedrock API keys of users (IAM's service-specific credentials): only their digests are kept. Knows no request.

A key's alias is public and names its row; the digest of the whole key proves it.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from outcrop.domain import api_key
from outcrop.domain import arn as arns
from outcrop.store.database import Database
from outcrop.store.identities.credentials import believed
from outcrop.store.identities.entities import Entity, Kind, find
from outcrop.store.identities.random_secrets import new_key_id, new_secret
from outcrop.store.identities.tables import API_KEYS
from outcrop.store.identities.user_keys import UserKeys

API_KEYS_PER_USER = 2
SECRET_CHARACTERS = 44
_SUFFIX_BYTES = 4
_KEYS = UserKeys(
    table=API_KEYS,
    id_column="id",
    kind="Service Specific Credential",
    quota="ServiceSpecificCredentialsPerUser",
    at_most=API_KEYS_PER_USER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret."""

    id: str
    user_name: str
    alias: str
    active: bool
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerCredential:
    """What a key is held against, and whom it proves."""

    id: str
    digest: bytes = field(repr=False)
    arn: str
    user_id: str
    expires_at: datetime | None


def add_api_key(connection: sa.Connection, user: Entity, now: datetime, days: int | None) -> tuple[ApiKey, str]:
    """A new key of a user, and its text, which is nowhere kept. `days`: how long it lives, None for ever."""
    _KEYS.require_room(connection, user.name)
    made = ApiKey(
        id=new_key_id("ACCA"),
        user_name=user.name,
        alias=_new_alias(user),
        active=True,
        created_at=now,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    text = api_key.spell(made.alias, new_secret(SECRET_CHARACTERS))
    values = {column.name: getattr(made, column.name) for column in API_KEYS.c if column.name != "digest"}
    connection.execute(sa.insert(API_KEYS).values({**values, "digest": api_key.digest(text)}))
    return made, text


def api_keys(connection: sa.Connection, user_name: str | None) -> list[ApiKey]:
    """The keys of a user, or with None of every user, by their ids."""
    query = sa.select(API_KEYS).order_by(API_KEYS.c.id)
    if user_name is not None:
        query = query.where(API_KEYS.c.user_name == user_name)
    return [_api_key(row) for row in connection.execute(query)]


def get_api_key(connection: sa.Connection, user_name: str, key_id: str) -> ApiKey:
    """One key of a user, or NoSuchEntity."""
    return _KEYS.one_of(api_keys(connection, user_name), key_id)


def set_api_key_status(connection: sa.Connection, key: ApiKey, active: bool) -> None:
    """Activate or deactivate a key."""
    _KEYS.set_active(connection, key.id, active)


def delete_api_key(connection: sa.Connection, key: ApiKey) -> None:
    """Forget a key."""
    _KEYS.delete(connection, key.id)


def find_api_key(database: Database, alias: str, now: datetime) -> BearerCredential | None:
    """The living key of an alias; None where there is none, or it is inactive or has expired."""
    found: BearerCredential | None = believed(database, ("API key", alias), now, lambda: _load(database, alias))
    return None if found is None or _is_over(found.expires_at, now) else found


def _is_over(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


def _load(database: Database, alias: str) -> BearerCredential | None:
    with database.read() as connection:
        row = connection.execute(sa.select(API_KEYS).where(API_KEYS.c.alias == alias)).first()
        user = find(connection, Kind.USER, row.user_name) if row is not None and row.active else None
    if row is None or user is None:
        return None
    return BearerCredential(
        id=row.id, digest=row.digest, arn=user.arn, user_id=user.unique_id, expires_at=row.expires_at
    )


def _new_alias(user: Entity) -> str:
    parsed = arns.parse(user.arn)
    assert parsed is not None, user.arn  # we made it
    return f"{user.name}+{secrets.token_hex(_SUFFIX_BYTES)}-at-{parsed.account}"


def _api_key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(**{name: value for name, value in row._mapping.items() if name != "digest"})
