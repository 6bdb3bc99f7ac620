"""One engine process: started, asked whether it answers, given models. Knows nothing of who wants it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import outcrop.services.runtime.engine as face
from outcrop.worker import children


@dataclass(slots=True)
class EngineProcess:
    """A running engine and the models that it holds."""

    checkpoint: str
    socket: Path
    child: children.Child
    answers: bool = False
    holds: set[str] = field(default_factory=set)

    def awake(self) -> bool:
        """Whether it answers; asked until it first does."""
        self.answers = self.answers or face.is_ready(self.socket)
        return self.answers

    def load(self, model_id: str, open_folder: Callable[[], AbstractContextManager[Path]]) -> None:
        """Hand a model over."""
        with open_folder() as folder:
            face.load_adapter(self.socket, model_id, folder)
        self.holds.add(model_id)

    def unload(self, model_id: str) -> None:
        """Let a model go."""
        face.unload_adapter(self.socket, model_id)
        self.holds.discard(model_id)


def start(checkpoint: str, socket: Path, launch_in: Path, log: Path, threads: int) -> EngineProcess:
    """Start the engine of a checkpoint."""
    socket.unlink(missing_ok=True)
    launch = children.Launch(
        module="outcrop.inference",
        arguments=["--checkpoint", checkpoint, "--socket", str(socket), "--threads", str(threads)],
        log=log,
        threads=threads,
    )
    return EngineProcess(checkpoint, socket, children.start(launch, launch_in))
