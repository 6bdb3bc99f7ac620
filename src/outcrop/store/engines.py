"""Engine processes: which checkpoints are wanted, and where their engines stand. Knows nothing of how one is started.

Whoever needs a checkpoint says `want`; the worker starts what `wanted` lists and says how it goes: `starting`, `ready`,
`gone`. A row that is `gone` says why in `detail`, and becomes wanted again when it is next asked for.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from outcrop.config import Settings
from outcrop.domain.errors import SettingsError
from outcrop.store.database import METADATA, Database, Moment
from outcrop.store.prepared import Prepared

ENGINES = sa.Table(
    "engines",
    METADATA,
    sa.Column("checkpoint", sa.String, primary_key=True),
    sa.Column("socket", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("pid", sa.Integer),
    sa.Column("wanted_at", Moment, nullable=False),
    sa.Column("ready_at", Moment),
    sa.Column("detail", sa.String),
    sa.Column("checkpoint_digest", sa.String),
)

_HELD_DIGEST = Prepared(
    sa.select(ENGINES.c.checkpoint_digest).where(ENGINES.c.checkpoint == sa.bindparam("checkpoint"))
)

# The kernel's sockaddr_un holds 108 bytes with the closing zero; an engine first binds "<socket>.<pid>".
LONGEST_SOCKET_PATH = 107 - len(".4194304")
_LONGEST_NAME = "0123456789abcdef.sock"


class EngineState(StrEnum):
    """How far an engine is."""

    WANTED = "wanted"
    STARTING = "starting"
    READY = "ready"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One checkpoint's engine. `checkpoint_digest`: of the weights when it was started, where they could be read."""

    checkpoint: str
    socket: str
    state: EngineState
    pid: int | None
    wanted_at: datetime
    ready_at: datetime | None
    detail: str | None
    checkpoint_digest: str | None


def socket_of(settings: Settings, checkpoint: Path) -> Path:
    """Where the engine of a checkpoint listens."""
    return sockets_folder(settings) / f"{_digest(checkpoint)}.sock"


def sockets_folder(settings: Settings) -> Path:
    """The home's own folder for running things; below the system's temporary one where its path is too long."""
    if len(bytes(settings.run_folder / _LONGEST_NAME)) <= LONGEST_SOCKET_PATH:
        return settings.run_folder
    return Path(tempfile.gettempdir()) / f"outcrop-{os.getuid()}-{_digest(settings.home)}"


def make_sockets_folder(settings: Settings) -> None:
    """Make the folder, or see that it is ours: once, before any socket in it is asked or removed.

    In a temporary folder with the sticky bit, as systems have it, it stays ours from then on. Raises SettingsError.
    """
    folder = sockets_folder(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:  # no folder at all: said below
        pass
    except OSError as error:
        raise SettingsError(f"{folder}, where engines are to listen, cannot be made: {error.strerror}.") from error
    require_sockets_folder(settings)


def require_sockets_folder(settings: Settings) -> None:
    """Raises SettingsError where the folder is there and somebody else's, who would be told the prompts."""
    folder = sockets_folder(settings)
    if folder == settings.run_folder:  # in the home, which nobody else may enter
        return
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise SettingsError(f"{folder}, where engines are to listen, is not this user's alone: remove it.")


def remove_sockets_folder(settings: Settings) -> None:
    """Leave nothing outside the home. For whoever made the folder, when no engine listens in it any more."""
    folder = sockets_folder(settings)
    if folder != settings.run_folder:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(bytes(path)).hexdigest()[:16]


def want(database: Database, settings: Settings, checkpoint: Path, now: datetime) -> Engine:
    """Ask for an engine. What is starting or ready stays as it is; what is gone is wanted again.

    Raises SettingsError where it has no safe place to listen.
    """
    make_sockets_folder(settings)
    with database.write() as connection:
        found = find(connection, checkpoint)
        if found is not None and found.state is not EngineState.GONE:
            return found
        connection.execute(sa.delete(ENGINES).where(ENGINES.c.checkpoint == str(checkpoint)))
        row = {"checkpoint": str(checkpoint), "socket": str(socket_of(settings, checkpoint)), "wanted_at": now}
        connection.execute(sa.insert(ENGINES).values({**row, "state": EngineState.WANTED.value}))
        made = find(connection, checkpoint)
    assert made is not None
    return made


def find(connection: sa.Connection, checkpoint: Path) -> Engine | None:
    """The engine of a checkpoint, if one was ever asked for."""
    row = connection.execute(sa.select(ENGINES).where(ENGINES.c.checkpoint == str(checkpoint))).first()
    return None if row is None else _from_row(row)


def held_digest(connection: sa.Connection, checkpoint: Path) -> str | None:
    """The digest of the weights that the engine of a checkpoint holds; None where none runs, or it is not known."""
    row = _HELD_DIGEST.first(connection, {"checkpoint": str(checkpoint)})
    return None if row is None else row[0]


# --- what the worker does ---------------------------------------------------------------------------------------------


def wanted(database: Database) -> list[Engine]:
    """What should be started, the first wanted first."""
    asked = sa.select(ENGINES).where(ENGINES.c.state == EngineState.WANTED.value).order_by(ENGINES.c.wanted_at)
    with database.read() as connection:
        return [_from_row(row) for row in connection.execute(asked)]


def every(database: Database) -> list[Engine]:
    """All that were ever asked for."""
    with database.read() as connection:
        return [_from_row(row) for row in connection.execute(sa.select(ENGINES).order_by(ENGINES.c.checkpoint))]


def starting(database: Database, checkpoint: str, pid: int, checkpoint_digest: str | None = None) -> None:
    """A process was started, on weights of this digest."""
    now = EngineState.STARTING
    _move(database, checkpoint, state=now, pid=pid, ready_at=None, detail=None, checkpoint_digest=checkpoint_digest)


def ready(database: Database, checkpoint: str, now: datetime) -> None:
    """It answers, and the custom models that are to be served are loaded."""
    _move(database, checkpoint, state=EngineState.READY, ready_at=now, detail=None)


def gone(database: Database, checkpoint: str, detail: str) -> None:
    """Its process has ended, and why. To have it started again at once, say `want`."""
    said = detail[:2048]
    _move(database, checkpoint, state=EngineState.GONE, pid=None, ready_at=None, detail=said, checkpoint_digest=None)


def _move(database: Database, checkpoint: str, *, state: EngineState, **values: object) -> None:
    changed = sa.update(ENGINES).where(ENGINES.c.checkpoint == checkpoint)
    with database.write() as connection:
        connection.execute(changed.values({"state": state.value, **values}))


def _from_row(row: sa.Row[tuple[object, ...]]) -> Engine:
    values = dict(row._mapping)
    return Engine(**{**values, "state": EngineState(values["state"])})
