"""The gate: before a model becomes Active, the engine that will serve it must answer as its trainer does.

The model goes through the same door as in service: the checkpoint's own engine, the same hand-over, under a name for
the moment. Messages tell numbers, never text. Knows nothing of training, and of a job only what it made.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import outcrop.services.runtime.engine as face
from outcrop.domain.errors import JobFailure, SealBroken
from outcrop.domain.parity import Parity, measure
from outcrop.domain.probes import LIKELIEST, PROBES_FILE, Probes
from outcrop.sealed import SealedReader, contexts
from outcrop.services.runtime.served import BASE
from outcrop.store import engines
from outcrop.store.engines import EngineState
from outcrop.text import Tokenizer
from outcrop.worker import handover, room
from outcrop.worker.ground import WorkerGround
from outcrop.worker.questions import Asked, Question, digest_of
from outcrop.worker.serving import START_LIMIT_S

AT_ONCE = 16  # questions that one engine answers side by side
POLL_S = 0.05
TRIES = 3  # an engine that goes away in the middle comes again, and may have had other reasons
SMALL_BYTES = 256 * 2**20  # a checkpoint whose engine may start beside the training: it is ready when that ends
LOG = logging.getLogger(__name__)
Result = TypeVar("Result")
Check = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model that was just made: sealed files that are bound to `job_id`, and the checkpoint they belong to.

    `fence`: of the attempt that made it. Another may be in its gate still, or again.
    """

    job_id: str
    fence: int
    folder: Path
    key: bytes = field(repr=False)
    checkpoint: str

    @property
    def name(self) -> str:
        """What the engine calls it for the moment: no model's id has a dash."""
        return f"gate-{self.job_id}-{self.fence}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """An engine of a checkpoint that holds a candidate."""

    socket: Path
    name: str
    checkpoint: Path

    def side_by_side(self, ask: Callable[[Any], Result], questions: Sequence[Any]) -> list[Result]:
        """What `ask` gives for every question, in order, as many at once as the engine has places for."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="gate") as pool:
            return list(pool.map(ask, questions))


def warming(ground: WorkerGround, checkpoint: str) -> AbstractContextManager[None]:
    """While a training runs: have the engine of a small checkpoint start beside it. A large one would cost memory."""
    size = sum(file.stat().st_size for file in Path(checkpoint).glob("*.safetensors"))
    return ground.wishes.held(checkpoint) if size <= SMALL_BYTES else contextlib.nullcontext()


def admit(ground: WorkerGround, candidate: Candidate, check: Check, use: Callable[[Loaded], Result]) -> Result:
    """What `use` gives, of an engine that holds the candidate meanwhile. Raises JobFailure.

    `check` is called while the engine is awaited.
    """
    with ground.wishes.held(candidate.checkpoint):
        ground.wishes.hope_again(candidate.checkpoint)  # an engine that died beside the training may come now
        for tries_left in reversed(range(TRIES)):
            socket = await_engine(ground, candidate.checkpoint, check)
            try:
                room.await_room(ground.settings.run_folder, handover.size_of(candidate.folder), check)
                with _loaded(ground, candidate, socket) as loaded:
                    return use(loaded)
            except face.EngineSilent as silent:
                LOG.warning("job %s: the engine went away in the gate (%s)", candidate.job_id, silent)
                if not tries_left:
                    raise JobFailure("The serving engine ended each time that it was given the model.") from silent
            except face.EngineRefused as refused:
                raise JobFailure(f"The serving engine does not take the model: {refused}") from refused
    raise AssertionError("the last try returns or raises")


def examine(loaded: Loaded, probes: Probes, asked: Asked, check: Check) -> Parity:
    """Holds the engine's answers against the trainer's. Raises JobFailure where they are not those of one model.

    `check` is called before each question, from several threads; what it raises ends the examination.
    """

    def heard_of(one: tuple[str, Sequence[int]]) -> list[dict[int, float]]:
        check()
        return face.prompt_logprobs(loaded.socket, *one, LIKELIEST)

    check_prompts(loaded, probes, asked, check)
    names = (BASE, loaded.name)
    every = [(name, row.scored) for name in names for row in probes.rows]
    heard = loaded.side_by_side(heard_of, every)
    parity = measure(probes, heard[: len(probes.rows)], heard[len(probes.rows) :])
    if not parity.holds:
        raise JobFailure(parity.sentence("The serving engine"))
    return parity


def read_probes(candidate: Candidate) -> Probes:
    """What the trainer left beside the model. Raises JobFailure where it cannot be read."""
    context = contexts.of_model_file(candidate.job_id, PROBES_FILE)
    try:
        with SealedReader(candidate.folder / PROBES_FILE, candidate.key, context) as sealed:
            return Probes.from_json(b"".join(sealed.pieces()))
    except (OSError, SealBroken, ValueError, KeyError) as error:
        raise JobFailure("The trainer left no probes that can be read: the model cannot be held against it.") from error


def check_prompts(loaded: Loaded, probes: Probes, asked: Asked, check: Check) -> None:
    """The engine's own template must make of each record the very tokens that were trained. Raises JobFailure.

    But for the date, where a template says it: then the files must be those that the rows were made with, and must
    make of the record now what the engine makes of it.
    """

    def rendered_by_engine(question: Question) -> list[int]:
        check()
        return face.tokens_of(loaded.socket, question.body)

    questions = asked.questions[: len(probes.rows)]
    rendered = loaded.side_by_side(rendered_by_engine, questions)
    for number, (row, tokens) in enumerate(zip(probes.rows, rendered, strict=True), start=1):
        trained = row.tokens[: row.prompt] if tokens or row.prompt > 1 else ()  # a passage without bos begins with none
        if tuple(tokens) != trained and not _says_the_date(loaded, asked, questions[number - 1], tokens):
            raise JobFailure(
                f"The serving engine's template does not render prompts as they were trained: the prompt of probe row "
                f"{number} has {len(tokens)} tokens there and {len(trained)} in training, and they differ from token "
                f"{_first_difference(tokens, trained)} on."
            )


def _says_the_date(loaded: Loaded, asked: Asked, question: Question, tokens: list[int]) -> bool:
    unchanged = digest_of(loaded.checkpoint) == asked.tokenizer
    return unchanged and question.tokens(Tokenizer.load(loaded.checkpoint)) == tokens


def _first_difference(one: Sequence[int], other: Sequence[int]) -> int:
    """The number, from 1, of the first token that only one has, or that they do not share."""
    pairs = zip(one, other, strict=False)
    same = min(len(one), len(other))
    return next((at for at, (left, right) in enumerate(pairs, start=1) if left != right), same + 1)


def await_engine(ground: WorkerGround, checkpoint: str, check: Check) -> Path:
    """The socket of an engine that answers; whoever asks holds a wish for it. Raises JobFailure where none comes.

    The limit holds from the engine's start on: others' models may have to be loaded before its turn comes.
    """
    socket = engines.socket_of(ground.settings, Path(checkpoint))
    give_up = time.monotonic() + START_LIMIT_S
    while not face.is_ready(socket):
        check()
        if hopeless := ground.wishes.hopeless(checkpoint):
            raise JobFailure(f"The model cannot be served: {hopeless}")
        if not _has_begun(ground, checkpoint):
            give_up = time.monotonic() + START_LIMIT_S
        elif time.monotonic() > give_up:
            raise JobFailure("The model cannot be served: its engine does not start.")
        time.sleep(POLL_S)
    return socket


def _has_begun(ground: WorkerGround, checkpoint: str) -> bool:
    """Whether the worker has come to start the engine."""
    with ground.database.read() as connection:
        found = engines.find(connection, Path(checkpoint))
    return found is not None and found.state in (EngineState.STARTING, EngineState.READY)


@contextlib.contextmanager
def _loaded(ground: WorkerGround, candidate: Candidate, socket: Path) -> Iterator[Loaded]:
    run_folder = ground.settings.run_folder
    try:
        with handover.opened(candidate.folder, candidate.key, run_folder, candidate.job_id) as plain:
            face.load_adapter(socket, candidate.name, plain)
        yield Loaded(socket, candidate.name, Path(candidate.checkpoint))
    finally:
        with contextlib.suppress(face.EngineRefused):  # it went away, and the model with it
            face.unload_adapter(socket, candidate.name)
