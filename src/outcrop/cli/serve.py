"""`outcrop serve`: server, worker and what they need, as one process tree.

This process is the server; the worker is its child and starts the rest. A worker that dies is started again. At the
end, and on SIGTERM or SIGINT, every child is stopped within ten seconds.
"""

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import uvloop

from outcrop.cli.options import (
    RunningServer,
    address_file,
    engine_options,
    find_server,
    home_option,
    leave_address,
)
from outcrop.config import Settings
from outcrop.domain.engine_choice import EMBEDDED, VLLM_KEY
from outcrop.domain.errors import SettingsError
from outcrop.domain.names import new_id
from outcrop.domain.weights import FLOAT32, WEIGHTS
from outcrop.worker import children
from outcrop.worker.engine_kinds import require_engines

if TYPE_CHECKING:
    from outcrop.services.call import Ground
    from outcrop.store.home import Home

WORKER_GRACE_S = 7.0  # the worker stops its own children in less
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0  # doubled before each restart of a worker that did not live long
FORGIVEN_AFTER_S = 60.0
WATCH_S = 0.2
COLLECT_AFTER = (20_000, 20, 20)  # objects born, and rounds of the younger: a request leaves none that need collecting
LOG = logging.getLogger(__name__)


@click.command()
@home_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8600, show_default=True, help="Port to listen on; 0 takes any free one.")
@click.option("--tls", is_flag=True, help="Serve https with a certificate made for this home.")
@click.option("--job-slots", default=2, show_default=True, help="Training jobs that run at the same time.")
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default=FLOAT32,
    show_default=True,
    help="What engines keep weights in; bf16 and int8 are faster and are refused where they answer too differently.",
)
@engine_options
@click.option(
    "--vllm-arguments",
    metavar="WORDS",
    envvar="OUTCROP_VLLM_ARGUMENTS",
    default="",
    help="Further words of vLLM's command line, as one.",
)
def serve(home: Path, **chosen: Any) -> None:
    """Start Outcrop and stay in the foreground; prints `ready http://HOST:PORT` when it answers."""
    settings = Settings(home=home.resolve(), **chosen | {"engine": chosen["engine"] or (EMBEDDED,)})
    require_engines(settings)
    run(settings)


def run(settings: Settings) -> None:
    """Serve until a signal comes."""
    from outcrop.store.home import open_home

    home = open_home(settings)
    _log_to(settings.logs_folder / "server.log")
    with _only_one(settings), _place_to_listen(settings):
        children.kill_orphans(settings.processes_folder)
        _collect_seldom()
        uvloop.run(_serve(settings, _ground(settings, home)))


def _collect_seldom() -> None:
    """Look for garbage seldom, and not among what lives as long as the server: looking was 3 % of a small call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _ground(settings: Settings, home: "Home") -> "Ground":
    from outcrop.services.call import Ground

    return Ground(
        settings=settings,
        database=home.database,
        account=home.account,
        clock=lambda: datetime.now(UTC),
        new_id=new_id,
        master_key=home.master_key,
    )


async def _serve(settings: Settings, ground: "Ground") -> None:
    from outcrop.server import serve as server

    ended = asyncio.Event()
    for number in _ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    watching = asyncio.create_task(_keep_worker(settings, ended))
    try:
        await server.run(settings, ground, lambda port: _say_ready(settings, port), ended)
    finally:
        ended.set()
        address_file(settings).unlink(missing_ok=True)
        await watching


def _ending_signals() -> list[signal.Signals]:
    """What ends a server. A closed terminal does too, unless it was started to outlive one (nohup)."""
    always = [signal.SIGTERM, signal.SIGINT]
    return always if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*always, signal.SIGHUP]


async def _keep_worker(settings: Settings, ended: asyncio.Event) -> None:
    """A worker runs until the end comes, then is stopped with all its children."""
    launch = worker_launch(settings)
    pause_s = FIRST_PAUSE_S
    while not ended.is_set():
        began = time.monotonic()
        try:
            await _run_worker(launch, settings, ended)
        except OSError:
            LOG.exception("the worker cannot be started; it is tried again")
        lived_long = time.monotonic() - began > FORGIVEN_AFTER_S
        pause_s = FIRST_PAUSE_S if lived_long else min(pause_s * 2, LONGEST_PAUSE_S)
        await _wait(ended, pause_s)


def worker_launch(settings: Settings) -> children.Launch:
    """How a worker is started: with these settings, every one."""
    return children.Launch(
        module="outcrop.worker",
        arguments=[settings.to_json()],
        log=settings.logs_folder / "worker.log",
        secrets=[VLLM_KEY],  # for the engines that it starts
    )


async def _run_worker(launch: children.Launch, settings: Settings, ended: asyncio.Event) -> None:
    """One worker, until it or everything ends; nothing that it had started is left."""
    # Started in this thread, which lives as long as the process: a child dies with the thread that started it.
    worker = children.start(launch, settings.processes_folder)
    while worker.running() and not ended.is_set():
        await _wait(ended, WATCH_S)
    if worker.running():
        await asyncio.to_thread(worker.stop, WORKER_GRACE_S)
    else:
        LOG.error("the worker ended with status %s; it is started again", worker.process.returncode)
        worker.forget()
    await asyncio.to_thread(children.kill_orphans, settings.processes_folder)


async def _wait(ended: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)


def _say_ready(settings: Settings, port: int) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"{'https' if settings.tls else 'http'}://{host}:{port}"
    leave_address(settings, RunningServer.here(url, str(settings.certificate_file) if settings.tls else None))
    print(f"ready {url}", flush=True)  # noqa: T201  (the one line that starters wait for)


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold the home's lock: the kernel lets go of it however this process ends."""
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    with (settings.run_folder / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = find_server(settings.home)
            where = f", at {found.url}" if found else ""
            raise SettingsError(f"another server already runs on {settings.home}{where}") from None
        yield


@contextlib.contextmanager
def _place_to_listen(settings: Settings) -> Iterator[None]:
    """Where engines listen: ours before anybody is asked there, and gone with the last of them."""
    from outcrop.store import engines

    engines.make_sockets_folder(settings)
    try:
        yield
    finally:
        engines.remove_sockets_folder(settings)


def _log_to(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_APPEND, 0o600))
    logging.basicConfig(filename=file, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request to an engine would drown the rest
