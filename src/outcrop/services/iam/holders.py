"""One operation for users and roles: `AttachUserPolicy` and `AttachRolePolicy` differ only in whom they name."""

from collections.abc import Callable
from functools import partial
from typing import Any

import sqlalchemy as sa

from outcrop.services.call import Call, Operation
from outcrop.services.iam.roles import own_role
from outcrop.store import identities
from outcrop.store.identities import Entity, Kind

HolderOperation = Callable[[Kind, Call, dict[str, Any]], dict[str, Any]]


def for_both(patterns: dict[str, HolderOperation]) -> dict[str, Operation]:
    """Operations by name; `{}` in a pattern stands for User or Role."""
    return {
        pattern.format(kind.capitalize()): partial(done, kind) for pattern, done in patterns.items() for kind in Kind
    }


def named(connection: sa.Connection, kind: Kind, request: dict[str, Any]) -> Entity:
    """The user or role that a request names."""
    return identities.get(connection, kind, request[f"{kind.capitalize()}Name"])


def changeable(connection: sa.Connection, kind: Kind, request: dict[str, Any]) -> Entity:
    """The user or role that a request names, if the account may change it."""
    return own_role(connection, request["RoleName"]) if kind is Kind.ROLE else named(connection, kind, request)
