"""The engine that a batch job asks, kept at hand with the job's model in it. Knows no record.

A custom model is handed over under a name of the job's own, so that it answers whether or not it is provisioned.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import outcrop.services.runtime.engine as face
from outcrop.domain.errors import Fault, JobFailure, SealBroken
from outcrop.families import Answer, Ask
from outcrop.services.runtime.client import EngineAway, client_for
from outcrop.services.runtime.questions import answer_of, question
from outcrop.services.runtime.served import BASE, Served
from outcrop.store import engines
from outcrop.store.invocation_jobs import ClaimedInvocationJob
from outcrop.store.models import CustomModel
from outcrop.store.trained_on import other_weights
from outcrop.worker import gate, handover, room
from outcrop.worker.ground import WorkerGround, key_context

TRIES = 3  # what ends an engine every time is answered with its error
RETRIED = frozenset({"ModelErrorException", "ModelNotReadyException"})


@dataclass(slots=True, kw_only=True)
class JobsEngine:
    """One job's way to its engine. `model` is None where a foundation model answers."""

    ground: WorkerGround
    served: Served
    model: CustomModel | None
    name: str
    check: Callable[[], None]
    _brought: int = 0
    _bringing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(
        cls,
        ground: WorkerGround,
        claimed: ClaimedInvocationJob,
        served: Served,
        model: CustomModel | None,
        check: Callable[[], None],
    ) -> "JobsEngine":
        """The engine of a claimed job's model."""
        name = BASE if model is None else f"batch-{claimed.job.id}-{claimed.fence}"
        return cls(ground=ground, served=served, model=model, name=name, check=check)

    @property
    def socket(self) -> Path:
        """Where the engine listens, or will."""
        return engines.socket_of(self.ground.settings, self.served.checkpoint)

    async def answer(self, ask: Ask) -> Answer:
        """The whole answer. Waits for an engine that went away. Raises JobFailure where none comes, else a Fault."""
        asked = question(ask, self.name)
        for tries_left in reversed(range(TRIES)):
            seen = self._brought
            try:
                piece = await client_for(self.socket).answer(asked)
                return answer_of(ask, piece.text, piece)
            except EngineAway:
                await self.bring(seen)
            except Fault as fault:
                if fault.code not in RETRIED or not tries_left:
                    raise
                await self.bring(seen)
        raise JobFailure("The serving engine ended each time that it was asked.")

    async def bring(self, seen: int) -> None:
        """See that the engine answers and holds the model, unless somebody else did since `seen`."""
        async with self._bringing:
            if self._brought == seen:
                await asyncio.to_thread(self._bring)
                self._brought += 1

    def release(self) -> None:
        """Let the job's own copy of a custom model go."""
        if self.model is not None:
            with contextlib.suppress(face.EngineRefused):  # it went away, and the model with it
                face.unload_adapter(self.socket, self.name)

    def _bring(self) -> None:
        socket = gate.await_engine(self.ground, str(self.served.checkpoint), self.check)
        if self.model is not None:
            with contextlib.suppress(face.EngineSilent):  # the question that follows finds it away, and brings it again
                self._load(socket, self.model)

    def _load(self, socket: Path, model: CustomModel) -> None:
        run_folder, folder = self.ground.settings.run_folder, self.ground.model_folder(model.job_id)
        assert model.data_key is not None, "a model is made with the key of its job"
        with self.ground.database.read() as connection:
            other = other_weights(connection, model)
        if other is not None:
            raise JobFailure(other)
        try:
            key = self.ground.keys.unwrap(model.data_key, key_context(model.job_id))
            room.await_room(run_folder, handover.size_of(folder), self.check)
            with handover.opened(folder, key, run_folder) as plain:
                face.load_adapter(socket, self.name, plain)
        except face.EngineSilent:
            raise
        except face.EngineRefused as refused:
            raise JobFailure(f"The serving engine does not take the model: {refused}") from refused
        except Fault as fault:
            raise JobFailure(f"The custom model's KMS key cannot be used: {fault.message}") from fault
        except SealBroken as broken:
            raise JobFailure(f"The custom model's files are damaged: {broken}") from broken
