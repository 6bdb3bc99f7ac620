"""Keeps what engines hold equal to what is provisioned, deployed and asked for. Knows nothing of requests or tokens.

Level-triggered: each look compares what should be with what is and takes the next step, so that it does not matter
which step a crash cut off. An engine counts as ready once it has loaded all that is in service.
"""

import contextlib
import logging
import os
import time
from collections.abc import Set
from contextlib import AbstractContextManager
from pathlib import Path

from outcrop.domain.checkpoint_digest import digest_of
from outcrop.domain.errors import CheckpointError, Fault, OutcropError, SealBroken, SettingsError
from outcrop.services.runtime.engine import EngineRefused, EngineSilent
from outcrop.store import engines, refused_models
from outcrop.store.engines import EngineState
from outcrop.store.models import CustomModel
from outcrop.store.trained_on import other_weights
from outcrop.worker import children, handover
from outcrop.worker import engines as processes
from outcrop.worker.engines import EngineProcess
from outcrop.worker.ground import WorkerGround, key_context
from outcrop.worker.needs import Needs, needs_of
from outcrop.worker.patience import Refusals, Rest
from outcrop.worker.telling import tell

START_LIMIT_S = 900.0  # a large checkpoint on a slow disk; an engine that is silent for longer will stay so
LINGER_S = 60.0  # an engine that a job had wished for: the next job of the same base, or its model's user, comes soon
LET_GO_AFTER_S = 2.0  # a request that found a model's name just before its throughput moved on still asks for it
UNNEEDED = "no job needs it any more"
LOG = logging.getLogger(__name__)


class Serving:
    """The engines of this home. All but `interrupt` belongs to one thread."""

    def __init__(self, ground: WorkerGround, linger_s: float = LINGER_S) -> None:
        self._ground = ground
        self._linger_s = linger_s
        self._running: dict[str, EngineProcess] = {}
        self._rests: dict[str, Rest] = {}
        self._lent: set[str] = set()  # what was wanted here for jobs alone, and is not started yet
        self._refusals = Refusals()
        self._needs = Needs()
        handover.sweep(ground.settings.run_folder)
        _forget_the_dead(ground)

    def reconcile(self) -> None:
        """One look, one step further."""
        self._needs = needs_of(self._ground)
        self._want()
        self._bury()
        self._start()
        for engine in self._running.values():
            self._feed(engine, self._needs.held.get(engine.checkpoint, {}))
        self._let_go()
        tell(self._ground, self._needs, self.answer)
        refused_models.tell(self._ground.database, self._refusals.among(self._needs.models))

    def answer(self, model_id: str) -> bool | str:
        """For a custom or foundation model. True: it answers. A sentence: it cannot. False: not yet."""
        if model_id in self._needs.hopeless:
            return f"The model cannot be served: {self._needs.hopeless[model_id]}"
        refusal = self._refusals.of(model_id)
        if refusal is not None:
            return f"The model cannot be served: {refusal}"
        checkpoint = self._needs.checkpoint_of(model_id)
        engine = self._running.get(checkpoint or "")
        if engine is not None and engine.answers:
            return model_id in self._needs.checkpoints or model_id in engine.holds
        rest = self._rests.get(checkpoint or "")
        return rest.hopeless if rest is not None and rest.hopeless else False

    def interrupt(self) -> None:
        """Ask every engine to end, from another thread: whatever this one waits for from them fails at once."""
        for engine in list(self._running.values()):
            engine.child.ask_to_stop()

    def close(self) -> None:
        """Stop every engine, side by side."""
        self.interrupt()
        for engine in self._running.values():
            engine.child.stop()
            engines.gone(self._ground.database, engine.checkpoint, "the server was stopped")
        self._running.clear()

    def _want(self) -> None:
        known = {row.checkpoint: row.state for row in engines.every(self._ground.database)}
        for checkpoint in self._needs.held:
            if known.get(checkpoint, EngineState.GONE) is EngineState.GONE:
                self._want_one(checkpoint)
        for checkpoint in self._rests.keys() - self._needs.held.keys():
            self._rests[checkpoint].forgive()  # who needs it next finds it untried

    def _want_one(self, checkpoint: str) -> None:
        try:
            engines.want(self._ground.database, self._ground.settings, Path(checkpoint), self._ground.clock())
            if checkpoint in self._needs.lent:
                self._lent.add(checkpoint)
        except SettingsError as error:  # it has no place to listen: who waits for it hears so, and not for ever nothing
            self._rests.setdefault(checkpoint, Rest()).cannot_be(str(error))
            self._ground.wishes.give_up(checkpoint, str(error))

    def _bury(self) -> None:
        for checkpoint, engine in list(self._running.items()):
            if not engine.answers and engine.age_s > START_LIMIT_S:
                engine.child.stop()
            if engine.child.running():
                continue
            what = f"the engine ended with status {engine.child.process.returncode}, see {engine.log.name}"
            LOG.error("%s (checkpoint %s)", what, checkpoint)
            engine.child.stop()  # what it had started, as vLLM, must not be in the next one's way
            engine.socket.unlink(missing_ok=True)  # whoever asks sees at once that nobody listens
            del self._running[checkpoint]
            self._rests.setdefault(checkpoint, Rest()).after_death(engine.age_s, what)
            engines.gone(self._ground.database, checkpoint, what)
            hopeless = self._rests[checkpoint].hopeless
            if hopeless:
                self._ground.wishes.give_up(checkpoint, hopeless)

    def _start(self) -> None:
        self._unwant()
        for row in engines.wanted(self._ground.database):
            rest = self._rests.get(row.checkpoint)
            if row.checkpoint in self._running or (rest is not None and time.monotonic() < rest.until):
                continue
            launch = self._launch_of(row.checkpoint, Path(row.socket))
            if launch is None:
                continue
            digest = _digest_of(row.checkpoint)  # of what it will read: said before it can hold anything
            engine = processes.start(launch, self._ground.settings.processes_folder, row.checkpoint, Path(row.socket))
            engine.lent = row.checkpoint in self._lent
            self._lent.discard(row.checkpoint)
            self._running[row.checkpoint] = engine
            engines.starting(self._ground.database, row.checkpoint, engine.child.process.pid, digest)

    def _launch_of(self, checkpoint: str, socket: Path) -> children.Launch | None:
        """None where it cannot be started at all: who waits for it is told why."""
        threads = max(1, (os.cpu_count() or 1) // 2)
        try:
            return processes.launch_of(checkpoint, socket, self._ground.settings, threads)
        except SettingsError as error:
            self._rests.setdefault(checkpoint, Rest()).cannot_be(str(error))
            self._ground.wishes.give_up(checkpoint, str(error))
            engines.gone(self._ground.database, checkpoint, str(error))
            return None

    def _unwant(self) -> None:
        """A job that ended while its engine rested from a death needs it no more: to start it now would be for ever."""
        for checkpoint in self._lent - self._needs.held.keys():
            self._lent.discard(checkpoint)
            engines.gone(self._ground.database, checkpoint, UNNEEDED)

    def _feed(self, engine: EngineProcess, wanted: dict[str, CustomModel]) -> None:
        """Load what is missing, let go what nobody needs. What was refused is tried at once where somebody waits."""
        if not engine.awake():
            return
        self._sell(engine)
        self._shelve(engine, wanted.keys())
        for model_id in engine.outlived(wanted.keys(), LET_GO_AFTER_S):
            engine.unload(model_id)
        for model_id in sorted(wanted.keys() - engine.holds, key=self._turn):
            if model_id in self._needs.awaited or not self._refusals.stands(model_id):
                self._load(engine, wanted[model_id])
        if engine.child.running() and not engine.said_ready:
            engines.ready(self._ground.database, engine.checkpoint, self._ground.clock())
            engine.said_ready = True

    def _turn(self, model_id: str) -> tuple[bool, bool]:
        """Whom somebody waits for is loaded first, then what was bought; what may be evicted must not delay either."""
        return model_id not in self._needs.awaited, model_id not in self._needs.pinned

    def _sell(self, engine: EngineProcess) -> None:
        """Before anything counts as in service: what was bought is kept from its first answer on."""
        with contextlib.suppress(EngineSilent):  # it goes away: it is told again when it is back
            engine.sell(self._needs.bought.get(engine.checkpoint, {}), self._needs.sold)

    def _shelve(self, engine: EngineProcess, wanted: Set[str]) -> None:
        """What is bought stays; what is deployed on demand may go where room is needed, until it is asked for again."""
        with contextlib.suppress(EngineRefused):  # it goes away, or bounds its memory in a way of its own
            engine.shelve(wanted - self._needs.pinned)

    def _let_go(self) -> None:
        """Stop an engine that only jobs had wished for, once they have not for a while: it holds memory."""
        for checkpoint, engine in list(self._running.items()):
            if checkpoint in self._needs.held:
                engine.needed = time.monotonic()
                engine.lent = engine.lent and checkpoint in self._needs.lent
            elif engine.lent and engine.idle_for(self._linger_s):
                engine.child.stop()
                engine.socket.unlink(missing_ok=True)
                del self._running[checkpoint]
                engines.gone(self._ground.database, checkpoint, UNNEEDED)

    def _load(self, engine: EngineProcess, model: CustomModel) -> None:
        with self._ground.database.read() as connection:
            other = other_weights(connection, model)
        if other is not None:
            self._refusals.add(model.id, other)
            return
        try:
            engine.load(model.id, lambda: self._opened(model))
            self._refusals.forget(model.id)
        except EngineSilent:
            LOG.warning("the engine went away while it loaded the custom model %s", model.id)
            self._refusals.count_death(model.id)
        except Fault as fault:
            self._refusals.add(model.id, f"its KMS key cannot be used: {fault.message}")
        except SealBroken as broken:
            self._refusals.add(model.id, f"its files are damaged: {broken}")
        except OSError as error:
            self._refusals.add(model.id, f"its files cannot be read: {error.strerror or type(error).__name__}.")
        except OutcropError as error:
            self._refusals.add(model.id, str(error))

    def _opened(self, model: CustomModel) -> AbstractContextManager[Path]:
        assert model.data_key is not None, "a model is made with the key of its job"
        key = self._ground.keys.unwrap(model.data_key, key_context(model.job_id))
        return handover.opened(self._ground.model_folder(model.job_id), key, self._ground.settings.run_folder)


def _digest_of(checkpoint: str) -> str | None:
    """None where it cannot be told: then the engine cannot read it either, and says why."""
    try:
        return digest_of(Path(checkpoint))
    except CheckpointError as error:
        LOG.warning("the weights in %s have no digest: %s", checkpoint, error)
        return None


def _forget_the_dead(ground: WorkerGround) -> None:
    """The engines of the worker before this one ended with it: neither their rows nor their sockets mean anything.

    What is only wanted never ran: a request that came before this worker waits for it.
    """
    for left in engines.every(ground.database):
        if left.state is not EngineState.WANTED:
            engines.gone(ground.database, left.checkpoint, "its worker ended")
    for socket in engines.sockets_folder(ground.settings).glob("*.sock*"):
        socket.unlink(missing_ok=True)
