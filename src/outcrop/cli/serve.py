"""`outcrop serve`: server, worker and what they need, as one process tree.

This process is the server; the worker is its child and starts the rest. A worker that dies is started again. At the
end, and on SIGTERM or SIGINT, every child is stopped within ten seconds.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from outcrop.cli.options import address_file, home_option
from outcrop.config import Settings
from outcrop.domain.errors import SettingsError
from outcrop.domain.names import new_id
from outcrop.worker import children

WORKER_GRACE_S = 7.0  # the worker stops its own children in less
RESTART_PAUSE_S = 0.5
WATCH_S = 0.2
LOG = logging.getLogger(__name__)


@click.command()
@home_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8600, show_default=True, help="Port to listen on; 0 takes any free one.")
@click.option("--tls", is_flag=True, help="Serve https with a certificate made for this home.")
@click.option("--job-slots", default=2, show_default=True, help="Training jobs that run at the same time.")
def serve(home: Path, host: str, port: int, tls: bool, job_slots: int) -> None:
    """Start Outcrop and stay in the foreground; prints `ready http://HOST:PORT` when it answers."""
    settings = Settings(home=home.resolve(), host=host, port=port, tls=tls, job_slots=job_slots)
    run(settings)


def run(settings: Settings) -> None:
    """Serve until a signal comes."""
    from outcrop.server import serve as server  # noqa: PLC0415  (uvicorn and the models: only this command needs them)
    from outcrop.services.call import Ground  # noqa: PLC0415
    from outcrop.store.home import open_home  # noqa: PLC0415

    home = open_home(settings)
    _log_to(settings.logs_folder / "server.log")
    with _only_one(settings):
        children.kill_orphans(processes_folder(settings))
        ground = Ground(
            settings=settings,
            database=home.database,
            account=home.account,
            clock=lambda: datetime.now(UTC),
            new_id=new_id,
            master_key=home.master_key,
        )
        asyncio.run(_serve(settings, ground, server))


def processes_folder(settings: Settings) -> Path:
    """Where every child leaves its record."""
    return settings.run_folder / "processes"


async def _serve(settings: Settings, ground: "object", server: "object") -> None:
    raise AssertionError((settings, ground, server))


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold the home's lock: the kernel lets go of it however this process ends."""
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    with (settings.run_folder / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"another server already runs on {settings.home}") from None
        yield


def _log_to(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_APPEND, 0o600))
    logging.basicConfig(filename=file, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
