"""Keys and aliases as rows. Knows nothing of encryption."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from outcrop.store.database import METADATA, Moment


class KeyState(StrEnum):
    """What may be done with a key: everything, nothing for now, nothing until it is gone."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    PENDING_DELETION = "PendingDeletion"


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """A key without its material. `alias` and `alias_arn` are set where the key was asked for by an alias."""

    key_id: str
    arn: str
    account: str
    region: str
    state: KeyState
    created_at: datetime
    description: str = ""
    policy: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    deletion_at: datetime | None = None
    alias: str | None = None
    alias_arn: str | None = None

    def gone(self, now: datetime) -> bool:
        """Is the waiting period before the deletion over?"""
        pending = self.state is KeyState.PENDING_DELETION
        return pending and self.deletion_at is not None and self.deletion_at <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A name for a key in a Region; `name` begins with `alias/`."""

    region: str
    name: str
    arn: str
    key_id: str
    created_at: datetime
    updated_at: datetime


KEYS = sa.Table(
    "kms_keys",
    METADATA,
    sa.Column("key_id", sa.String, primary_key=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("account", sa.String, nullable=False),
    sa.Column("region", sa.String, nullable=False, index=True),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("description", sa.String, nullable=False),
    sa.Column("policy", sa.Text),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("deletion_at", Moment, index=True),
)

MATERIALS = sa.Table(
    "kms_materials",
    METADATA,
    sa.Column("key_id", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

ALIASES = sa.Table(
    "kms_aliases",
    METADATA,
    sa.Column("region", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("arn", sa.String, nullable=False, unique=True),
    sa.Column("key_id", sa.String, nullable=False, index=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)


def key_of(row: sa.Row[Any], alias: Alias | None = None) -> KmsKey:
    """A row of KEYS, asked for by an alias or not."""
    values = {**row._mapping, "state": KeyState(row.state)}
    return KmsKey(**values, alias=alias.name if alias else None, alias_arn=alias.arn if alias else None)


def alias_of(row: sa.Row[Any]) -> Alias:
    """A row of ALIASES."""
    return Alias(**row._mapping)
