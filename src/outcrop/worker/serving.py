"""Keeps what engines hold equal to what is provisioned, deployed and asked for. Knows nothing of requests or tokens.

Level-triggered: each look compares what should be with what is and takes the next step, so that it does not matter
which step a crash cut off. A provisioned model is InService only once its engine answers and has loaded it.
"""

import logging
import os
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from outcrop.domain.errors import OutcropError
from outcrop.store import deployments, engines, models, throughput
from outcrop.store.models import CustomModel
from outcrop.worker import engines as processes
from outcrop.worker import handover
from outcrop.worker.engines import EngineProcess
from outcrop.worker.ground import WorkerGround, key_context

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Needs:
    """What should be held: custom models by checkpoint, and why each other one cannot."""

    held: dict[str, dict[str, CustomModel]] = field(default_factory=dict)

    def add(self, checkpoint: str, model: CustomModel | None) -> None:
        wanted = self.held.setdefault(checkpoint, {})
        if model is not None:
            wanted[model.id] = model


@dataclass(slots=True)
class _Pause:
    """How long a checkpoint's engine rests after it died, doubling each time."""

    seconds: float = FIRST_PAUSE_S
    until: float = 0.0

    def lengthen(self) -> None:
        self.until = time.monotonic() + self.seconds
        self.seconds = min(self.seconds * 2, LONGEST_PAUSE_S)


class Serving:
    """The engines of this home."""

    def __init__(self, ground: WorkerGround) -> None:
        self._ground = ground
        self._running: dict[str, EngineProcess] = {}
        self._pauses: dict[str, _Pause] = {}
        self._refused: dict[str, str] = {}
        handover.sweep(ground.settings.run_folder)
        for left in engines.every(ground.database):
            engines.gone(ground.database, left.checkpoint, "its worker ended")

    def reconcile(self) -> None:
        """One look, one step further."""
        needs = self._needs()
        for checkpoint in needs.held:
            engines.want(self._ground.database, self._ground.settings, Path(checkpoint), self._ground.clock())
        self._bury()
        self._start()
        for engine in self._running.values():
            self._feed(engine, needs.held.get(engine.checkpoint, {}))
        self._tell()

    def close(self) -> None:
        """Stop every engine."""
        for engine in self._running.values():
            engine.child.stop()
            engines.gone(self._ground.database, engine.checkpoint, "the server was stopped")
        self._running.clear()

    # what should be

    def _needs(self) -> _Needs:
        needs = _Needs()
        for bought in throughput.standing(self._ground.database):
            for model_id in (bought.model_id, bought.desired_model_id):
                self._need(needs, bought.foundation_model_id, model_id)
        for deployed in deployments.standing(self._ground.database):
            for model_id in (deployed.model_id, deployed.wanted_model_id):
                self._need(needs, None, model_id)
        return needs

    def _need(self, needs: _Needs, foundation_model_id: str | None, model_id: str | None) -> None:
        if model_id is not None:
            model = self._model(model_id)
            if model is not None:
                needs.add(model.checkpoint, model)
        elif foundation_model_id is not None:
            needs.add(self._foundation(foundation_model_id), None)

    def _model(self, model_id: str) -> CustomModel | None:
        with self._ground.database.read() as connection:
            return models.by_id(connection, model_id)

    def _foundation(self, model_id: str) -> str:
        return str(self._ground.catalogue().checkpoint_for(model_id).path)

    # what is

    def _bury(self) -> None:
        for checkpoint, engine in list(self._running.items()):
            if not engine.child.running():
                status = engine.child.process.returncode
                LOG.error("the engine of %s ended with status %s", checkpoint, status)
                engine.child.forget()
                del self._running[checkpoint]
                self._pauses.setdefault(checkpoint, _Pause()).lengthen()
                engines.gone(self._ground.database, checkpoint, f"the engine ended with status {status}")

    def _start(self) -> None:
        settings = self._ground.settings
        for row in engines.wanted(self._ground.database):
            if row.checkpoint in self._running or time.monotonic() < self._pause_of(row.checkpoint).until:
                continue
            log = settings.logs_folder / f"engine-{Path(row.socket).stem}.log"
            threads = max(1, (os.cpu_count() or 1) // 2)
            engine = processes.start(row.checkpoint, Path(row.socket), settings.processes_folder, log, threads)
            self._running[row.checkpoint] = engine
            engines.starting(self._ground.database, row.checkpoint, engine.child.process.pid)

    def _pause_of(self, checkpoint: str) -> _Pause:
        return self._pauses.setdefault(checkpoint, _Pause())

    def _feed(self, engine: EngineProcess, wanted: dict[str, CustomModel]) -> None:
        """Load what is missing, let go what nobody needs; the engine counts as ready once that is done."""
        was_awake = engine.answers
        if not engine.awake():
            return
        for model_id in engine.holds - wanted.keys():
            engine.unload(model_id)
        for model_id in wanted.keys() - engine.holds:
            self._load(engine, wanted[model_id])
        if not was_awake:
            self._pauses.pop(engine.checkpoint, None)
            engines.ready(self._ground.database, engine.checkpoint, self._ground.clock())

    def _load(self, engine: EngineProcess, model: CustomModel) -> None:
        try:
            engine.load(model.id, lambda: self._opened(model))
            self._refused.pop(model.id, None)
        except (OutcropError, OSError) as error:
            if not engine.child.running():
                return  # not the model's fault: the next engine gets it
            if self._refused.get(model.id) != str(error):
                LOG.error("custom model %s cannot be served: %s", model.id, error)
            self._refused[model.id] = str(error)

    def _opened(self, model: CustomModel) -> AbstractContextManager[Path]:
        assert model.data_key is not None
        key = self._ground.keys.unwrap(model.data_key, key_context(model.job_id))
        return handover.opened(self._ground.model_folder(model.job_id), key, self._ground.settings.run_folder)

    # what is told

    def _tell(self) -> None:
        now = self._ground.clock()
        for bought in throughput.pending(self._ground.database):
            answer = self._answer(bought.desired_model_id, bought.foundation_model_id)
            if answer is True:
                throughput.mark_in_service(self._ground.database, bought, now)
            elif answer:
                throughput.mark_failed(self._ground.database, bought, answer, now)
        for deployed in deployments.pending(self._ground.database):
            answer = self._answer(deployed.wanted_model_id, None)
            if answer is True:
                deployments.mark_active(self._ground.database, deployed, now)
            elif answer:
                deployments.mark_failed(self._ground.database, deployed, answer, now)

    def _answer(self, model_id: str | None, foundation_model_id: str | None) -> bool | str:
        """True: it answers. A sentence: it cannot. False: not yet."""
        if model_id is None:
            assert foundation_model_id is not None
            engine = self._running.get(self._foundation(foundation_model_id))
            return engine is not None and engine.answers
        if model_id in self._refused:
            return f"The custom model cannot be served: {self._refused[model_id]}"
        return any(model_id in engine.holds for engine in self._running.values())
