"""Temporary credentials of assumed roles. Secret and token lie sealed under the master key. Knows no trust policy."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from outcrop.sealed import contexts, seal_bytes
from outcrop.store.database import Database
from outcrop.store.identities.entities import Entity
from outcrop.store.identities.random_secrets import (
    SECRET_CHARACTERS,
    TOKEN_CHARACTERS,
    new_key_id,
    new_secret,
)
from outcrop.store.identities.tables import SESSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTerms:
    """What a session is opened with: its name, how long it lasts, and the policy that limits it."""

    name: str
    duration_s: int
    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Temporary credentials of an assumed role."""

    access_key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: datetime


def open_session(
    connection: sa.Connection, master_key: bytes, role: Entity, session: SessionTerms, now: datetime
) -> Session:
    """Temporary credentials for a role."""
    access_key_id, secret = new_key_id("ASIA"), new_secret(SECRET_CHARACTERS)
    token = new_secret(TOKEN_CHARACTERS)
    expires_at = now + timedelta(seconds=session.duration_s)
    connection.execute(
        sa.insert(SESSIONS).values(
            access_key_id=access_key_id,
            role_name=role.name,
            session_name=session.name,
            sealed_secret=seal_bytes(
                master_key, json.dumps([secret, token]).encode(), contexts.of_access_key(access_key_id)
            ),
            policy=session.policy,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return Session(access_key_id=access_key_id, secret=secret, token=token, expires_at=expires_at)


def has_expired(database: Database, access_key_id: str, now: datetime) -> bool:
    """Is this the key of a session that was valid once? (For a better word than "unknown".)"""
    with database.read() as connection:
        query = sa.select(SESSIONS.c.expires_at).where(SESSIONS.c.access_key_id == access_key_id)
        expires_at = connection.execute(query).scalar()
    return expires_at is not None and expires_at <= now


def forget_expired_sessions(connection: sa.Connection, before: datetime) -> int:
    """Drop sessions that ended before a moment; how many."""
    return connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.expires_at < before)).rowcount
