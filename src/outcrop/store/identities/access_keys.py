"""Long-lived access keys of users and of the account's root. Their secrets lie sealed under the master key."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import Fault
from outcrop.sealed import contexts, open_bytes, seal_bytes
from outcrop.store.identities.random_secrets import SECRET_CHARACTERS, new_key_id, new_secret
from outcrop.store.identities.tables import ACCESS_KEYS
from outcrop.store.identities.user_keys import UserKeys

ROOT = ""  # the user name of the account's root
KEYS_PER_USER = 2
_KEYS = UserKeys(
    table=ACCESS_KEYS,
    id_column="access_key_id",
    kind="Access Key",
    quota="AccessKeysPerUser",
    at_most=KEYS_PER_USER,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A long-lived key without its secret."""

    access_key_id: str
    user_name: str
    active: bool
    created_at: datetime


def add_access_key(connection: sa.Connection, master_key: bytes, user_name: str, now: datetime) -> tuple[str, str]:
    """A new access key (id, secret) of a user, or of the root."""
    _KEYS.require_room(connection, user_name)
    access_key_id, secret = new_key_id("AKIA"), new_secret(SECRET_CHARACTERS)
    connection.execute(
        sa.insert(ACCESS_KEYS).values(
            access_key_id=access_key_id,
            user_name=user_name,
            sealed_secret=seal_bytes(master_key, secret.encode(), contexts.of_access_key(access_key_id)),
            active=True,
            created_at=now,
        )
    )
    return access_key_id, secret


def access_keys(connection: sa.Connection, user_name: str) -> list[AccessKey]:
    """The access keys of a user, oldest first."""
    query = sa.select(ACCESS_KEYS).where(ACCESS_KEYS.c.user_name == user_name)
    rows = connection.execute(query.order_by(ACCESS_KEYS.c.created_at, ACCESS_KEYS.c.access_key_id))
    return [_access_key(row) for row in rows]


def access_key(connection: sa.Connection, user_name: str, access_key_id: str) -> AccessKey:
    """One access key of a user, or NoSuchEntity."""
    return _KEYS.one_of(access_keys(connection, user_name), access_key_id)


def set_access_key_status(connection: sa.Connection, key: AccessKey, active: bool) -> None:
    """Activate or deactivate a key; the root keeps one active key."""
    if not active:
        _keep_a_root_key(connection, key)
    _KEYS.set_active(connection, key.access_key_id, active)


def delete_access_key(connection: sa.Connection, key: AccessKey) -> None:
    """Forget a key; the root keeps one active key."""
    _keep_a_root_key(connection, key)
    _KEYS.delete(connection, key.access_key_id)


def open_secret(connection: sa.Connection, master_key: bytes, access_key_id: str) -> str:
    """The secret of an access key."""
    query = sa.select(ACCESS_KEYS.c.sealed_secret).where(ACCESS_KEYS.c.access_key_id == access_key_id)
    return open_bytes(
        master_key, connection.execute(query).scalar_one(), contexts.of_access_key(access_key_id)
    ).decode()


def _keep_a_root_key(connection: sa.Connection, key: AccessKey) -> None:
    """Without a root key nobody could ever call again."""
    if key.user_name != ROOT or not key.active:
        return
    others = [one for one in access_keys(connection, ROOT) if one.active and one != key]
    if not others:
        raise Fault("DeleteConflict", "This is the administrator's last active access key: create another one first.")


def _access_key(row: sa.Row[Any]) -> AccessKey:
    return AccessKey(
        access_key_id=row.access_key_id, user_name=row.user_name, active=row.active, created_at=row.created_at
    )
