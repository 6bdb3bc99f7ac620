"""The key that objects are sealed under: made once, at random, and kept wrapped by the master key."""

import sqlalchemy as sa

from outcrop import sealed
from outcrop.store.database import METADATA, Database

OBJECT_KEY = sa.Table(
    "object_key",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
_ONLY_ROW = 1
_CONTEXT = b"object key"


def object_key(database: Database, master_key: bytes) -> bytes:
    """The objects' key. Raises SealBroken where the master key is not the one that wrapped it."""
    with database.write() as connection:
        wrapped = connection.execute(sa.select(OBJECT_KEY.c.sealed)).scalar()
        if wrapped is not None:
            return sealed.open_bytes(master_key, wrapped, _CONTEXT)
        key = sealed.new_key()
        wrapped = sealed.seal_bytes(master_key, key, _CONTEXT)
        connection.execute(sa.insert(OBJECT_KEY).values(id=_ONLY_ROW, sealed=wrapped))
    return key
