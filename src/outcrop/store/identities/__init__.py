"""Who exists: users, roles, policies, access keys, sessions. One state for every Region, as in IAM.

Everything that changes it goes through `changing`, so that no server goes on believing an old credential.
"""

from outcrop.store.identities.access_keys import (
    ROOT,
    AccessKey,
    access_key,
    access_keys,
    add_access_key,
    delete_access_key,
    open_secret,
    set_access_key_status,
)
from outcrop.store.identities.credentials import Credential, changing, find_credential
from outcrop.store.identities.entities import Entity, Kind, change, create, delete, find, get, listed
from outcrop.store.identities.sessions import (
    Session,
    SessionTerms,
    forget_expired_sessions,
    has_expired,
    open_session,
)

__all__ = [
    "ROOT",
    "AccessKey",
    "Credential",
    "Entity",
    "Kind",
    "Session",
    "SessionTerms",
    "access_key",
    "access_keys",
    "add_access_key",
    "change",
    "changing",
    "create",
    "delete",
    "delete_access_key",
    "find",
    "find_credential",
    "forget_expired_sessions",
    "get",
    "has_expired",
    "listed",
    "open_secret",
    "open_session",
    "set_access_key_status",
]
