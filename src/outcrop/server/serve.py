"""The socket: uvicorn in this process, over plain HTTP or TLS. Knows no signals and no children: see `cli.serve`."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from outcrop.config import Settings
from outcrop.domain.errors import SettingsError
from outcrop.server.app import App, create_app
from outcrop.server.calling import Operations
from outcrop.server.certificate import ensure_certificate
from outcrop.server.protocol import BoundedProtocol
from outcrop.services.call import Ground
from outcrop.services.runtime.client import close_clients

KEEP_ALIVE_S = 75
STREAMS_MAY_END_WITHIN_S = 3
CLEAN_UP_WITHIN_S = 2
_BACKLOG = 2048
_TICK_S = 0.01

OnReady = Callable[[int], None]


async def run(
    settings: Settings,
    ground: Ground,
    on_ready: OnReady,
    ended: asyncio.Event,
    operations: Operations | None = None,
) -> None:
    """Serve until `ended` is set; `on_ready` hears the port, which settings may leave open (0).

    Streams that are still open at the end get a few seconds, then are cut off. Raises SettingsError where the address
    cannot be had.
    """
    listener = _listen(settings)
    app = create_app(ground, operations)
    server = _Server(_config(settings, app), lambda: on_ready(listener.getsockname()[1]))
    ending = asyncio.create_task(_stop_when(ended, server))
    try:
        await server.serve(sockets=[listener])
        await _cut_off(server.server_state)
    finally:
        ending.cancel()
        app.close()
        await close_clients()


class _Server(uvicorn.Server):
    """uvicorn without its hold on signals, and with a word when it answers."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process tree's."""
        yield


async def _cut_off(state: ServerState) -> None:
    """Let cancelled requests clean up, and leave no connection open."""
    if state.tasks:
        await asyncio.wait(state.tasks, timeout=CLEAN_UP_WITHIN_S)
    for connection in list(state.connections):
        assert isinstance(connection, BoundedProtocol)
        connection.transport.abort()
    while state.connections:
        await asyncio.sleep(_TICK_S)


async def _stop_when(ended: asyncio.Event, server: uvicorn.Server) -> None:
    await ended.wait()
    server.should_exit = True


def _listen(settings: Settings) -> socket.socket:
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        return _bound(found[0])
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. "
            "Name a free --port, or 0 for any."
        ) from error


def _bound(found: Any) -> socket.socket:
    family, kind, protocol, _, address = found
    # With the protocol named: asyncio turns Nagle's delays off only on sockets that say they are TCP.
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _config(settings: Settings, app: App) -> uvicorn.Config:
    if settings.tls:
        ensure_certificate(settings.certificate_file, settings.certificate_key_file, settings.host)
    return uvicorn.Config(
        app,
        http=partial(BoundedProtocol, most_connections=settings.max_connections),  # type: ignore[arg-type]  # only called
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STREAMS_MAY_END_WITHIN_S,
        ssl_certfile=settings.certificate_file if settings.tls else None,
        ssl_keyfile=settings.certificate_key_file if settings.tls else None,
    )
