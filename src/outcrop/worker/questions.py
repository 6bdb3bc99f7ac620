"""What an engine is asked about a job's data: the first records as requests would ask them, kept sealed with the rows.

Whoever takes a job over has its rows without reading its files again, and these with them. Knows no engine.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from outcrop import corpus
from outcrop.domain.conversation import Completion, Conversation, Passage, Record
from outcrop.domain.errors import JobFailure, SealBroken
from outcrop.families.ask import Ask, Sampling
from outcrop.sealed import SealedReader, SealedWriter, contexts
from outcrop.services.runtime.questions import counted
from outcrop.text import Tokenizer
from outcrop.text.checkpoint_files import read_files
from outcrop.worker.data import Seen, Sources

QUESTIONS_FILE = "questions.json"
_UNUSED = Sampling(max_tokens=1, temperature=0.0, top_p=1.0)  # a body is made of what is asked, not of how


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What comes before a record's first answer, as the engine's body, and that answer. A passage has none."""

    body: dict[str, Any]
    answer: str | None

    @staticmethod
    def of(record: Record) -> "Question":
        """The body is made the way a request's is."""
        match record:
            case Conversation():
                first = next(at for at, message in enumerate(record.messages) if message.role == "assistant")
                asked = Conversation(messages=record.messages[:first], system=record.system)
                body = counted(Ask(conversation=asked, sampling=_UNUSED))
                return Question(body=body, answer=record.messages[first].text)
            case Completion():
                return Question(body=counted(Ask(raw_prompt=record.prompt, sampling=_UNUSED)), answer=record.completion)
            case Passage():
                return Question(body=counted(Ask(raw_prompt="", sampling=_UNUSED)), answer=None)

    def tokens(self, tokenizer: Tokenizer) -> list[int]:
        """What a checkpoint's tokenizer makes of it now: a template may say the date."""
        if "prompt" in self.body:
            return tokenizer.render_raw_prompt(self.body["prompt"])
        return tokenizer.render_chat(**self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A job's questions, and the digest of the tokenizer's files that its rows were made with."""

    questions: tuple[Question, ...]
    tokenizer: str


def digest_of(checkpoint: Path) -> str:
    """SHA-256 in hex of all that says how a checkpoint's text becomes tokens. Raises CheckpointError."""
    return hashlib.sha256(repr(read_files(checkpoint)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a job's questions lie, sealed under its key beside its rows."""

    folder: Path
    job_id: str
    key: bytes

    def write(self, sources: Sources, seen: Seen, count: int) -> None:
        """The first `count` records of what the probes are made of: the first validator's file, else the training's."""
        place, recipe = (sources.validation or (sources.training,))[0], sources.crew.recipe
        with sources.access.open(place, seen[place]) as (file, _):
            records = list(islice(corpus.read(file, recipe.rules), count))
        asked = Asked(questions=tuple(map(Question.of, records)), tokenizer=digest_of(Path(recipe.checkpoint)))
        with SealedWriter(self.folder / QUESTIONS_FILE, self.key, self._context) as sealed:
            sealed.write(json.dumps(asdict(asked)).encode())

    def read(self) -> Asked:
        """What `write` wrote. Raises JobFailure where it cannot be read."""
        try:
            with SealedReader(self.folder / QUESTIONS_FILE, self.key, self._context) as sealed:
                kept = json.loads(b"".join(sealed.pieces()))
            questions = tuple(Question(**question) for question in kept["questions"])
            return Asked(questions=questions, tokenizer=kept["tokenizer"])
        except (OSError, SealBroken, ValueError, KeyError, TypeError) as error:
            raise JobFailure("What the serving engine is to be asked about the job's data cannot be read.") from error

    def are_whole(self) -> bool:
        """Whether `read` would answer: asked before a training, so that it is not in vain."""
        try:
            self.read()
        except JobFailure:
            return False
        return True

    @property
    def _context(self) -> bytes:
        return contexts.of_job_file(self.job_id, QUESTIONS_FILE)
