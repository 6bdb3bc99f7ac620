"""Starts the engine that vLLM computes: `python -m outcrop.inference.vllm --checkpoint DIR --socket PATH ...`.

With `--command PATH` it starts vLLM and ends with it; with `--url URL` it asks a server that is another's. The socket
opens when that answers. Who is told that this process ended starts another, and gives it the adapters again.
"""

import argparse
import hashlib
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from outcrop.domain.engine_choice import VLLM_KEY
from outcrop.domain.errors import CheckpointError, OutcropError, SettingsError
from outcrop.domain.lifeline import die_with_parent
from outcrop.domain.model_units import Capacity
from outcrop.domain.weights import FLOAT32
from outcrop.inference import capacity_file
from outcrop.inference.face import Parts, create_app
from outcrop.inference.listening import listening
from outcrop.inference.prompts import Prompts
from outcrop.inference.scheduler import Limits
from outcrop.inference.shares import Shares
from outcrop.inference.vllm.adapters import Adapters
from outcrop.inference.vllm.desk import VllmDesk
from outcrop.inference.vllm.measuring import Measured, measured
from outcrop.inference.vllm.peer import UNIX, Address, Card, Peer
from outcrop.inference.vllm.server import POLL_S, ROWS, Server, Start
from outcrop.text import Tokenizer

LOST = 3  # the exit status of an engine whose vLLM went away
SAMPLE = "Colours: 17 green, 4 blue and a na\u00efve \u2018violet\u2019.\n\tdef f(x):  return x_1 + 20"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command line: one of `command` and `url`."""

    checkpoint: Path
    socket: Path
    threads: int
    capacity: Path | None
    weights: str
    command: Path | None
    more: str
    url: str | None


def main(line: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, until the parent dies, or until vLLM is gone."""
    die_with_parent()
    signal.signal(signal.SIGTERM, _end)  # also while vLLM starts; the HTTP server raises what it was sent once more
    arguments = read_arguments(line)
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    server = started(arguments)
    try:
        serve(arguments, server)
    except OutcropError as error:
        _tell(str(error))
        raise SystemExit(1) from error
    finally:
        if server is not None:
            server.stop()


def read_arguments(line: Sequence[str] | None) -> Arguments:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m outcrop.inference.vllm", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the checkpoint that is served")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to serve on")
    parser.add_argument("--threads", type=int, default=1, help="threads for tensors")
    parser.add_argument("--capacity", type=Path, help="file that keeps the measured tokens a second")
    parser.add_argument("--weights", default=FLOAT32, help="what weights are kept in, in vLLM's words for --dtype")
    parser.add_argument("--more", default="", help="further words of vLLM's command line")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--command", type=Path, help="vLLM's command, to be started")
    which.add_argument("--url", help="address of a server that runs already")
    return Arguments(**vars(parser.parse_args(line)))


def started(arguments: Arguments) -> Server | None:
    """vLLM on its way, where it is ours to start."""
    if arguments.command is None:
        return None
    start = Start(
        command=arguments.command,
        checkpoint=arguments.checkpoint,
        socket=socket_beside(arguments.socket),
        weights=arguments.weights,
        more=arguments.more,
    )
    return Server(start)


def serve(arguments: Arguments, server: Server | None) -> None:
    """Open the socket once vLLM answers, and stay. Raises OutcropError where it does not, or is another's."""
    peer = Peer(_address(arguments))
    _await(peer, server)
    base = base_of(peer.cards())
    tokenizer = Tokenizer.load(arguments.checkpoint)
    if server is None:
        require_same_tokens(peer, base, tokenizer, arguments)
    shares = Shares(_capacity(arguments, peer, base, tokenizer), ROWS)
    ending = _Ending()
    adapters = Adapters(peer, base.name, prefix_of(arguments.socket), ending.tell)
    adapters.sweep()
    gone: Callable[[], str | None] = (lambda: None) if server is None else server.ended
    desk = VllmDesk(peer, tokenizer.stop_ids, shares, ending.tell, gone)
    desk.by_priority = server is not None
    limits = Limits(rows=ROWS, cache_tokens=ROWS * _context(base), context_tokens=_context(base))
    parts = Parts(desk=desk, models=adapters, prompts=Prompts(tokenizer), limits=limits, shares=shares)
    ending.run(create_app(parts), arguments.socket)


class _Ending:
    """The HTTP server, which ends when vLLM is gone."""

    def __init__(self) -> None:
        self._why: str | None = None
        self._http: uvicorn.Server | None = None

    def tell(self, why: str) -> None:
        """It is gone."""
        self._why = self._why or why
        if self._http is not None:
            self._http.should_exit = True

    def run(self, app: Starlette, socket: Path) -> None:
        """Serve; raises SystemExit where vLLM is why it ended."""
        self._http = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, ws="none"))
        self._http.run(sockets=[listening(socket)])
        if self._why is not None:
            _tell(f"{self._why}: this engine ends, and another may follow")
            raise SystemExit(LOST)


def socket_beside(socket: Path) -> Path:
    """Where vLLM itself listens: in the same private folder, under a name that is no longer than others there."""
    return socket.with_name(f"{socket.name}.vllm")


def prefix_of(socket: Path, machine: str | None = None) -> str:
    """What an engine's names in vLLM begin with: the same at its next start, another for another home or machine."""
    place = f"{machine or platform.node()}:{socket.parent.resolve()}"
    return f"outcrop-{hashlib.sha256(place.encode()).hexdigest()[:12]}-{socket.stem}-"


def base_of(cards: Sequence[Card]) -> Card:
    """What a server calls its checkpoint. Raises SettingsError where it offers none."""
    found = next((card for card in cards if card.parent is None), None)
    if found is None:
        raise SettingsError("The vLLM server offers no model of its own.")
    return found


def require_same_tokens(peer: Peer, base: Card, tokenizer: Tokenizer, arguments: Arguments) -> None:
    """Raises CheckpointError where a server that is another's splits text otherwise: it serves another checkpoint."""
    if peer.tokens_of(base.name, SAMPLE) != tokenizer.encode(SAMPLE):
        raise CheckpointError(
            f"The server at {arguments.url} serves {base.name}, whose tokens are not those of {arguments.checkpoint}: "
            "start it on that checkpoint."
        )


def _address(arguments: Arguments) -> Address:
    if arguments.url is not None:
        return Address(url=arguments.url, key=os.environ.get(VLLM_KEY))
    return Address(url=f"{UNIX}{socket_beside(arguments.socket)}")


def _await(peer: Peer, server: Server | None) -> None:
    if server is not None:
        server.await_health(peer.healthy)
    waits = False
    while not peer.healthy():
        if not waits:
            _tell(f"{peer.address.url} does not answer yet: waiting for it")
        waits = True
        time.sleep(POLL_S)


def _context(base: Card) -> int:
    if base.context_tokens is None:
        raise SettingsError(f"The vLLM server does not say how long the context of {base.name} is.")
    return base.context_tokens


def _capacity(arguments: Arguments, peer: Peer, base: Card, tokenizer: Tokenizer) -> Capacity:
    known = None if arguments.capacity is None else capacity_file.read(arguments.capacity)
    if known is not None:
        return known
    measure = Measured(
        peer=Peer(peer.address), model=base.name, vocabulary=tokenizer.known_size, context_tokens=_context(base)
    )
    capacity = measured(measure)
    if arguments.capacity is not None:
        capacity_file.keep(arguments.capacity, capacity)
    return capacity


def _end(*_: object) -> None:
    """On the way out vLLM is stopped."""
    raise SystemExit(0)


def _tell(sentence: str) -> None:
    """To the engine's log."""
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
