"""The home folder: made at the first start, opened and checked at every other. Knows nothing of what is kept in it.

One starter at a time holds the lock, and every step can be repeated, so that a start killed midway harms nothing:
folder, master key, tables, then one transaction with the account, its administrator and its service key.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from outcrop.config import Settings
from outcrop.domain.errors import SealBroken, SettingsError
from outcrop.domain.names import new_account_id
from outcrop.sealed import KEY_BYTES, new_key, open_bytes, seal_bytes
from outcrop.store import identities, keys
from outcrop.store.database import Database
from outcrop.store.identities.tables import HOME
from outcrop.store.migrate import migrate

LOCK_NAME = "start.lock"
_PROOF = b"this master key belongs to this home"
_PROOF_CONTEXT = b"home/proof"


class AdministratorKey(NamedTuple):
    """The administrator's access key."""

    access_key_id: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class Home:
    """An opened home."""

    settings: Settings
    database: Database
    account: str
    master_key: bytes = field(repr=False)

    def administrator(self) -> AdministratorKey:
        """The oldest active access key of the account's root."""
        with self.database.read() as connection:
            key = next(key for key in identities.access_keys(connection, identities.ROOT) if key.active)
            secret = identities.open_secret(connection, self.master_key, key.access_key_id)
        return AdministratorKey(key.access_key_id, secret)

    def close(self) -> None:
        """Give the database back."""
        self.database.close()


def open_home(settings: Settings, now: datetime | None = None) -> Home:
    """The home, made if it is not there. SettingsError says what is wrong with one that cannot be opened."""
    _make_folder(settings.home)
    with _alone(settings.home):
        database = Database(settings.database_url)
        try:
            migrate(database)
            return _open(settings, database, now or datetime.now(UTC))
        except BaseException:
            database.close()
            raise


def _open(settings: Settings, database: Database, now: datetime) -> Home:
    with database.read() as connection:
        known = connection.execute(sa.select(HOME)).first()
    if known is None and not settings.master_key_file.exists():
        _write_key(settings.master_key_file, new_key())
    master_key = _read_key(settings.master_key_file)
    if known is None:
        account = _move_in(database, master_key, now)
    else:
        _check_proof(settings.master_key_file, master_key, known.proof)
        account = known.account
    return Home(settings=settings, database=database, account=account, master_key=master_key)


def _make_folder(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise SettingsError(f"--home {home}: a folder cannot be made there ({error.strerror}).") from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise SettingsError(f"--home {home}: this folder cannot be written to. Choose another or change its owner.")
    if stat.S_IMODE(home.stat().st_mode) != 0o700:
        _close_to_others(home)


def _close_to_others(home: Path) -> None:
    """0700 for a folder that is empty or ours; somebody else's (a user's own home, /tmp) is left as it is."""
    if any(home.iterdir()) and not (home / LOCK_NAME).exists():
        raise SettingsError(f"--home {home}: this folder is open to others and holds other things. Name an empty one.")
    home.chmod(0o700)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Only one process at a time is past this point."""
    descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_key(path: Path, key: bytes) -> None:
    """Durably, whole or not at all: a half-written master key would lock the home for ever."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)  # left by a start that was killed; nobody else is past the lock
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(
            f"{path}: the master key of this home is missing, and nothing opens without it. "
            "Put it back from your backup, or name another home."
        ) from None
    except PermissionError:
        raise SettingsError(f"{path}: the master key belongs to another user. Start as that user.") from None
    if len(key) != KEY_BYTES:
        raise SettingsError(
            f"{path}: a master key has {KEY_BYTES} bytes, this file has {len(key)}. Put back the true one."
        )
    if path.stat().st_mode & 0o077:
        raise SettingsError(f"{path}: the master key can be read by others. Run: chmod 600 {path}")
    return key


def _move_in(database: Database, master_key: bytes, now: datetime) -> str:
    """The account, its administrator's key and its service key, all or nothing."""
    account = new_account_id()
    with database.write() as connection:
        proof = seal_bytes(master_key, _PROOF, _PROOF_CONTEXT)
        row = {"id": 1, "account": account, "proof": proof, "created_at": now, "changes": 0}
        connection.execute(sa.insert(HOME).values(row))
        identities.add_access_key(connection, master_key, identities.ROOT, now)
        keys.add_service_key(connection, master_key)
    return account


def _check_proof(path: Path, master_key: bytes, proof: bytes) -> None:
    try:
        open_bytes(master_key, proof, _PROOF_CONTEXT)
    except SealBroken:
        raise SettingsError(
            f"{path}: this is the master key of another home. Put back the one that this home was made with."
        ) from None
