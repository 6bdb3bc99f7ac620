"""One engine process: started, asked whether it answers, given models. Knows nothing of who wants it."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import outcrop.services.runtime.engine as face
from outcrop import __version__
from outcrop.config import Settings
from outcrop.domain.engine_choice import VLLM_KEY
from outcrop.worker import children, machine
from outcrop.worker.engine_kinds import URL, engine_words


@dataclass(slots=True, kw_only=True)
class EngineProcess:
    """A running engine and the models that it holds. `said_ready`: whether the database was told.

    `lent`: only jobs have needed it so far; `needed`: when it last was. `sold`: what it was told of units, last.
    `unneeded`: since when nobody needs a model that it holds; `evictable`: which it was told may go, last.
    """

    checkpoint: str
    socket: Path
    child: children.Child
    log: Path
    started: float
    answers: bool = False
    needed: float
    said_ready: bool = False
    lent: bool = False
    holds: set[str] = field(default_factory=set)
    sold: tuple[dict[str, int], int] | None = None
    unneeded: dict[str, float] = field(default_factory=dict)
    evictable: set[str] = field(default_factory=set)

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    def awake(self) -> bool:
        """Whether it answers; asked until it first does."""
        self.answers = self.answers or face.is_ready(self.socket)
        return self.answers

    def idle_for(self, seconds: float) -> bool:
        """Whether nobody has needed it for so long, and nobody waits for an answer of it now."""
        if time.monotonic() - self.needed < seconds:
            return False
        try:
            return face.open_answers(self.socket) == 0
        except face.EngineRefused:
            return False  # it ends, or has much to do: looked at again

    def load(self, model_id: str, open_folder: Callable[[], AbstractContextManager[Path]]) -> None:
        """Hand a model over."""
        with open_folder() as folder:
            face.load_adapter(self.socket, model_id, folder)
        self.holds.add(model_id)

    def sell(self, units: dict[str, int], sold: int) -> None:
        """Tell who bought how many units of it, and how many are sold in all, unless it knows."""
        if self.sold != (units, sold):
            face.sell(self.socket, units, sold)
            self.sold = units, sold

    def shelve(self, evictable: Collection[str]) -> None:
        """Tell which models may go where room is needed; one that had to, and is needed again, counts as not held."""
        if not evictable and not self.evictable:
            return  # nothing can have gone
        evicted, wanted = face.shelve(self.socket, evictable)
        self.evictable = set(evictable)
        self.holds -= (evicted - set(evictable)) | wanted

    def outlived(self, wanted: Collection[str], seconds: float) -> list[str]:
        """The models that nobody has needed for so long."""
        now = time.monotonic()
        self.unneeded = {name: self.unneeded.get(name, now) for name in self.holds if name not in wanted}
        return [name for name, since in self.unneeded.items() if now - since >= seconds]

    def unload(self, model_id: str) -> None:
        """Let a model go. An engine that refuses does not have it."""
        with contextlib.suppress(face.EngineRefused):
            face.unload_adapter(self.socket, model_id)
        self.holds.discard(model_id)


def start(launch: children.Launch, records: Path, checkpoint: str, socket: Path) -> EngineProcess:
    """Start the engine of a checkpoint."""
    socket.unlink(missing_ok=True)
    child = children.start(launch, records)
    now = time.monotonic()
    return EngineProcess(checkpoint=checkpoint, socket=socket, child=child, log=launch.log, started=now, needed=now)


def launch_of(checkpoint: str, socket: Path, settings: Settings, threads: int) -> children.Launch:
    """How the engine of a checkpoint is started. Raises SettingsError where it cannot be."""
    module, kind = engine_words(checkpoint, settings)
    computes = ["--checkpoint", checkpoint, "--threads", str(threads), "--weights", settings.weights, *kind]
    capacity = capacity_file(settings.capacities_folder, Path(checkpoint), computes)
    return children.Launch(
        module=module,
        arguments=[*computes, "--socket", str(socket), "--capacity", str(capacity)],
        log=settings.logs_folder / f"engine-{socket.stem}.log",
        threads=threads,
        secrets=[VLLM_KEY] if URL in kind else [],
    )


def capacity_file(folder: Path, checkpoint: Path, arguments: Sequence[str]) -> Path:
    """Where the capacity for this base, engine and machine is kept: anything else of one of them is another file."""
    weights = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in checkpoint.glob("*"))
    named = json.dumps([machine.fingerprint(), __version__, list(arguments), weights])
    return folder / f"{hashlib.sha256(named.encode()).hexdigest()[:16]}.json"
