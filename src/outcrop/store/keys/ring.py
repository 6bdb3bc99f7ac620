"""The key ring: keys made, found, used, changed, destroyed. Knows nothing of who asks or whether they may."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault
from outcrop.sealed import contexts, new_key, open_bytes, seal_bytes
from outcrop.store.database import Database
from outcrop.store.keys import ciphertext
from outcrop.store.keys.records import ALIASES, KEYS, MATERIALS, Alias, KeyState, KmsKey, alias_of, key_of

SERVICE_KEY = "service"  # wraps data keys where the user names no key: AWS's own keys, in Bedrock's words
MATERIAL_VERSION = 1
DATA_KEY_BYTES = 32

Context = Mapping[str, str]

_PENDING = KEYS.c.state == KeyState.PENDING_DELETION


class Keys:
    """Every KMS key of the account, over one database and one master key."""

    def __init__(self, database: Database, master_key: bytes) -> None:
        self._database = database
        self._master_key = master_key

    # ---- finding

    def resolve(self, region: str, identifier: str, now: datetime | None = None) -> KmsKey:
        """The key that an id, ARN, alias or alias ARN means in a Region; NotFoundException where there is none."""
        with self._database.read() as connection:
            return self._resolve(connection, region, identifier, now)

    def listed(self, region: str, after: str, limit: int, now: datetime) -> list[KmsKey]:
        """At most `limit` keys of a Region behind a key id, in the order of their ids."""
        query = sa.select(KEYS).where(KEYS.c.region == region, KEYS.c.key_id > after)
        query = query.where(KEYS.c.key_id.not_in(_due(now)))
        with self._database.read() as connection:
            return [key_of(row) for row in connection.execute(query.order_by(KEYS.c.key_id).limit(limit))]

    # ---- life

    def create(self, key: KmsKey) -> None:
        """Remember a new key, with fresh material."""
        with self._database.write() as connection:
            _insert(connection, self._master_key, key)

    def change(self, key: KmsKey, **columns: Any) -> None:
        """Set columns of a key, which must still be in the state that it was seen in."""
        still = sa.update(KEYS).where(KEYS.c.key_id == key.key_id, KEYS.c.state == key.state)
        with self._database.write() as connection:
            if not connection.execute(still.values(**columns)).rowcount:
                raise Fault("KMSInvalidStateException", f"{key.arn} is no longer {key.state.value}.")

    def reap(self, now: datetime) -> int:
        """Destroy keys whose waiting period is over, material and aliases with them; how many."""
        with self._database.read() as connection:
            if connection.execute(_due(now).limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            rows = sa.delete(KEYS).where(KEYS.c.key_id.in_(_due(now)), _PENDING).returning(KEYS.c.key_id)
            gone = connection.execute(rows).scalars().all()
            for table in (MATERIALS, ALIASES):
                connection.execute(sa.delete(table).where(table.c.key_id.in_(gone)))
        return len(gone)

    # ---- aliases

    def add_alias(self, alias: Alias) -> None:
        """Give a key a name that is still free in its Region."""
        with self._database.write() as connection:
            if _find_alias(connection, alias.region, alias.name) is not None:
                raise Fault("AlreadyExistsException", f"An alias with the name {alias.arn} already exists")
            connection.execute(
                sa.insert(ALIASES).values({column.name: getattr(alias, column.name) for column in ALIASES.c})
            )

    def aliases(self, region: str, key_id: str | None, after: str, limit: int, now: datetime) -> list[Alias]:
        """At most `limit` aliases of a Region (of one key, where given) behind a name, by name."""
        query = sa.select(ALIASES).where(ALIASES.c.region == region, ALIASES.c.name > after)
        query = query.where(ALIASES.c.key_id.not_in(_due(now)))
        if key_id is not None:
            query = query.where(ALIASES.c.key_id == key_id)
        with self._database.read() as connection:
            return [alias_of(row) for row in connection.execute(query.order_by(ALIASES.c.name).limit(limit))]

    def point_alias(self, region: str, arn: str, key_id: str, now: datetime) -> None:
        """Let an alias mean another key."""
        query = sa.update(ALIASES).where(ALIASES.c.region == region, ALIASES.c.arn == arn)
        with self._database.write() as connection:
            if not connection.execute(query.values(key_id=key_id, updated_at=now)).rowcount:
                raise _no_alias(arn)

    def delete_alias(self, region: str, arn: str) -> None:
        """Forget an alias."""
        with self._database.write() as connection:
            if not connection.execute(
                sa.delete(ALIASES).where(ALIASES.c.region == region, ALIASES.c.arn == arn)
            ).rowcount:
                raise _no_alias(arn)

    # ---- use

    def encrypt(self, key: KmsKey, plaintext: bytes, context: Context) -> bytes:
        """The ciphertext blob of a plaintext under a key that is enabled."""
        _require_usable(key)
        return self._wrap(key.key_id, key.arn, plaintext, context)

    def generate_data_key(self, key_arn: str | None, context: Context) -> tuple[bytes, bytes]:
        """(plaintext, wrapped): a fresh 256-bit data key under a key, or under the service's own where it is None."""
        plaintext = os.urandom(DATA_KEY_BYTES)
        if key_arn is None:
            return plaintext, self._wrap(SERVICE_KEY, SERVICE_KEY, plaintext, context)
        return plaintext, self.encrypt(self._by_arn(key_arn), plaintext, context)

    def unwrap(self, wrapped: bytes, context: Context, now: datetime | None = None) -> bytes:
        """The plaintext of a blob under the key that it names, which must be there and enabled."""
        envelope = ciphertext.open_envelope(wrapped)
        key_id = SERVICE_KEY
        if envelope.key_arn != SERVICE_KEY:
            key = self._by_arn(_well_formed(envelope.key_arn), now)
            _require_usable(key)
            key_id = key.key_id
        return ciphertext.decrypt(self._material(key_id, envelope.version), envelope, context)

    # ---- helpers

    def _wrap(self, key_id: str, arn: str, plaintext: bytes, context: Context) -> bytes:
        material = self._material(key_id, MATERIAL_VERSION)
        return ciphertext.encrypt(material, (arn, MATERIAL_VERSION), plaintext, context)

    def _by_arn(self, arn: str, now: datetime | None = None) -> KmsKey:
        parsed = arns.parse(arn)
        return self.resolve(parsed.region if parsed else "", arn, now)

    def _material(self, key_id: str, version: int) -> bytes:
        query = sa.select(MATERIALS.c.sealed).where(MATERIALS.c.key_id == key_id, MATERIALS.c.version == version)
        with self._database.read() as connection:
            sealed = connection.execute(query).scalar()
        if sealed is None:
            raise ciphertext.invalid_ciphertext()
        return open_bytes(self._master_key, sealed, contexts.of_key_material(key_id, version))

    def _resolve(self, connection: sa.Connection, region: str, identifier: str, now: datetime | None) -> KmsKey:
        alias = _alias_meant(connection, region, identifier)
        key_id = alias.key_id if alias else _key_id_in(region, identifier)
        row = connection.execute(sa.select(KEYS).where(KEYS.c.key_id == key_id, KEYS.c.region == region)).first()
        key = None if row is None else key_of(row, alias)
        if key is None or (now is not None and key.gone(now)):
            raise Fault("NotFoundException", f"Key '{identifier}' does not exist")
        if identifier.startswith("arn:") and identifier not in (key.arn, key.alias_arn):
            raise Fault("NotFoundException", f"Key '{identifier}' does not exist")
        return key


def add_service_key(connection: sa.Connection, master_key: bytes) -> None:
    """The material of the service's own key; it has no row among the keys and no state."""
    _insert_material(connection, master_key, SERVICE_KEY)


def _due(now: datetime) -> sa.Select[str]:
    """The ids of the keys whose waiting period is over. Only a key that waits for its deletion can be due."""
    return sa.select(KEYS.c.key_id).where(_PENDING, KEYS.c.deletion_at <= now)


def _insert(connection: sa.Connection, master_key: bytes, key: KmsKey) -> None:
    connection.execute(sa.insert(KEYS).values({column.name: getattr(key, column.name) for column in KEYS.c}))
    _insert_material(connection, master_key, key.key_id)


def _insert_material(connection: sa.Connection, master_key: bytes, key_id: str) -> None:
    sealed = seal_bytes(master_key, new_key(), contexts.of_key_material(key_id, MATERIAL_VERSION))
    connection.execute(sa.insert(MATERIALS).values(key_id=key_id, version=MATERIAL_VERSION, sealed=sealed))


def _require_usable(key: KmsKey) -> None:
    if key.state is KeyState.DISABLED:
        raise Fault("DisabledException", f"{key.arn} is disabled.")
    if key.state is KeyState.PENDING_DELETION:
        raise Fault("KMSInvalidStateException", f"{key.arn} is pending deletion.")


def _well_formed(key_arn: str) -> str:
    """What a ciphertext names as its key must look like one before it is looked for."""
    parsed = arns.parse(key_arn)
    if parsed is None or parsed.service != "kms" or not parsed.resource.startswith("key/"):
        raise ciphertext.invalid_ciphertext()
    return key_arn


def _find_alias(connection: sa.Connection, region: str, name: str) -> Alias | None:
    row = connection.execute(sa.select(ALIASES).where(ALIASES.c.region == region, ALIASES.c.name == name)).first()
    return None if row is None else alias_of(row)


def _alias_meant(connection: sa.Connection, region: str, identifier: str) -> Alias | None:
    name = identifier
    if identifier.startswith("arn:"):
        parsed = arns.parse(identifier)
        name = parsed.resource if parsed else ""
    if not name.startswith("alias/"):
        return None
    alias = _find_alias(connection, region, name)
    if alias is None:
        raise _no_alias(identifier)
    return alias


def _no_alias(identifier: str) -> Fault:
    return Fault("NotFoundException", f"Alias {identifier} is not found.")


def _key_id_in(region: str, identifier: str) -> str:
    """The key id in an id or a key ARN; a key of another Region is not found here."""
    if not identifier.startswith("arn:"):
        return identifier
    parsed = arns.parse(identifier)
    if parsed is None or parsed.service != "kms" or not parsed.resource.startswith("key/"):
        raise Fault("InvalidArnException", f"{identifier} is not the ARN of a key or an alias.")
    if parsed.region != region:
        raise Fault("NotFoundException", f"Invalid arn {parsed.region}")
    return parsed.resource.removeprefix("key/")
