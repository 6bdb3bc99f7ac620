"""The fast way from an access key id to its secret and to whom it proves. Knows nothing of signatures.

What was read once is believed until identities change: in this process at once, in another within FRESH_FOR.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.sealed import contexts, open_bytes
from outcrop.store.database import Database
from outcrop.store.identities.access_keys import ROOT
from outcrop.store.identities.entities import Entity, Kind, find
from outcrop.store.identities.tables import ACCESS_KEYS, HOME, SESSIONS

FRESH_FOR = timedelta(seconds=0.5)
CACHED_AT_MOST = 10_000
Name = tuple[str, str]  # what it is, and which: callers choose the second, and must not reach another kind with it


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a signature is checked with, and whom it proves. `session_token` must come with the request where set."""

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    account: str
    arn: str
    user_id: str
    user_name: str | None = None
    role_name: str | None = None
    expires_at: datetime | None = None


def find_credential(database: Database, master_key: bytes, access_key_id: str, now: datetime) -> Credential | None:
    """The credential behind an access key id; None where there is none, or it is inactive or has expired."""
    load = partial(_load, database, master_key, access_key_id)
    found: Credential | None = believed(database, ("access key", access_key_id), now, load)
    return None if found is None or (found.expires_at is not None and found.expires_at <= now) else found


def believed(database: Database, name: Name, now: datetime, load: Callable[[], Any]) -> Any:
    """What `load` gives, kept under a name until identities change; what is None is not kept."""
    cache = _cache_of(database)
    generation = cache.generation_at(database, now)
    found = cache.get(name, generation)
    if found is None:
        found = load()
        if found is not None:
            cache.put(name, found, generation)
    return found


@contextmanager
def changing(database: Database) -> Iterator[sa.Connection]:
    """A transaction that changes identities: when it has committed, no server believes what it knew before."""
    with database.write() as connection:
        yield connection
        connection.execute(sa.update(HOME).values(changes=HOME.c.changes + 1))
    _cache_of(database).forget()


class _Cache:
    """What is known of one generation. What was read before a change carries the generation before it: never used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = 0
        self._seen_changes = -1
        self._checked_at: datetime | None = None
        self._known: dict[Name, tuple[int, Any]] = {}

    def generation_at(self, database: Database, now: datetime) -> int:
        """The generation, after a look at the change counter where the last look is too long ago."""
        checked = self._checked_at
        if checked is not None and timedelta(0) <= now - checked < FRESH_FOR:
            return self._generation
        with database.read() as connection:
            changes = connection.execute(sa.select(HOME.c.changes)).scalar() or 0
        with self._lock:
            self._generation += changes != self._seen_changes
            self._seen_changes, self._checked_at = changes, now
            return self._generation

    def get(self, name: Name, generation: int) -> Any:
        """What was read in this generation, or None."""
        known = self._known.get(name)
        return known[1] if known is not None and known[0] == generation else None

    def put(self, name: Name, found: Any, generation: int) -> None:
        """Remember what was read as of a generation."""
        with self._lock:
            if len(self._known) >= CACHED_AT_MOST:
                self._known.clear()
            self._known[name] = (generation, found)

    def forget(self) -> None:
        """Begin a new generation."""
        with self._lock:
            self._generation += 1


_CACHES: WeakKeyDictionary[Database, _Cache] = WeakKeyDictionary()
_CACHES_LOCK = threading.Lock()


def _cache_of(database: Database) -> _Cache:
    known = _CACHES.get(database)
    if known is not None:
        return known
    with _CACHES_LOCK:
        return _CACHES.setdefault(database, _Cache())


def _load(database: Database, master_key: bytes, access_key_id: str) -> Credential | None:
    with database.read() as connection:
        if access_key_id.startswith("ASIA"):
            return _load_session(connection, master_key, access_key_id)
        return _load_access_key(connection, master_key, access_key_id)


def _load_access_key(connection: sa.Connection, master_key: bytes, access_key_id: str) -> Credential | None:
    row = connection.execute(sa.select(ACCESS_KEYS).where(ACCESS_KEYS.c.access_key_id == access_key_id)).first()
    if row is None or not row.active:
        return None
    secret = open_bytes(master_key, row.sealed_secret, contexts.of_access_key(access_key_id)).decode()
    if row.user_name == ROOT:
        account = connection.execute(sa.select(HOME.c.account)).scalar_one()
        return Credential(
            access_key_id=access_key_id, secret=secret, account=account, arn=arns.iam(account, "root"), user_id=account
        )
    user = find(connection, Kind.USER, row.user_name)
    if user is None:
        return None
    return Credential(
        access_key_id=access_key_id,
        secret=secret,
        account=_account_of(user),
        arn=user.arn,
        user_id=user.unique_id,
        user_name=user.name,
    )


def _load_session(connection: sa.Connection, master_key: bytes, access_key_id: str) -> Credential | None:
    row = connection.execute(sa.select(SESSIONS).where(SESSIONS.c.access_key_id == access_key_id)).first()
    role = None if row is None else find(connection, Kind.ROLE, row.role_name)
    if row is None or role is None:
        return None
    secret, token = json.loads(open_bytes(master_key, row.sealed_secret, contexts.of_access_key(access_key_id)))
    account = _account_of(role)
    return Credential(
        access_key_id=access_key_id,
        secret=secret,
        session_token=token,
        account=account,
        arn=f"arn:aws:sts::{account}:assumed-role/{role.name}/{row.session_name}",
        user_id=f"{role.unique_id}:{row.session_name}",
        role_name=role.name,
        expires_at=row.expires_at,
    )


def _account_of(entity: Entity) -> str:
    parsed = arns.parse(entity.arn)
    assert parsed is not None, entity.arn  # we made it
    return parsed.account
