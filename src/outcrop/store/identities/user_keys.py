"""What access keys and API keys have in common: rows of a user's, few each, told by an id, active or not.

Knows nothing of what a key proves, or with which secret.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from outcrop.domain.errors import Fault

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class UserKeys:
    """A table of keys. `kind` and `quota` are IAM's words for them; `at_most` of a user's there may be."""

    table: sa.Table
    id_column: str
    kind: str
    quota: str
    at_most: int

    @property
    def id(self) -> sa.Column[Any]:
        """The column of the ids."""
        return self.table.c[self.id_column]

    def require_room(self, connection: sa.Connection, user_name: str) -> None:
        """LimitExceeded where a user has as many as may be."""
        held = sa.select(sa.func.count()).select_from(self.table).where(self.table.c.user_name == user_name)
        if connection.execute(held).scalar_one() >= self.at_most:
            raise Fault("LimitExceeded", f"Cannot exceed quota for {self.quota}: {self.at_most}")

    def one_of(self, keys: Iterable[Key], key_id: str) -> Key:
        """The key of an id, or NoSuchEntity."""
        found = next((key for key in keys if getattr(key, self.id_column) == key_id), None)
        if found is None:
            raise Fault("NoSuchEntity", f"The {self.kind} with id {key_id} cannot be found.")
        return found

    def set_active(self, connection: sa.Connection, key_id: str, active: bool) -> None:
        """Activate or deactivate a key."""
        connection.execute(sa.update(self.table).where(self.id == key_id).values(active=active))

    def delete(self, connection: sa.Connection, key_id: str) -> None:
        """Forget a key."""
        connection.execute(sa.delete(self.table).where(self.id == key_id))
