"""What an engine is asked about a job's data: the first records as requests would ask them, kept sealed with the rows.

Whoever takes a job over has its rows without reading its files again, and these with them. Knows no engine.
"""

import json
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from outcrop import corpus
from outcrop.domain.conversation import Completion, Conversation, Passage, Record
from outcrop.domain.errors import JobFailure, SealBroken
from outcrop.families.ask import Ask, Sampling
from outcrop.sealed import SealedReader, SealedWriter
from outcrop.services.runtime.questions import counted
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


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a job's questions lie, sealed under its key beside its rows."""

    folder: Path
    job_id: str
    key: bytes

    def write(self, sources: Sources, seen: Seen, count: int) -> None:
        """The first `count` records of what the probes are made of: the first validator's file, else the training's."""
        place = (sources.validation or (sources.training,))[0]
        with sources.access.open(place, seen[place]) as (file, _):
            records = list(islice(corpus.read(file, sources.rules), count))
        with SealedWriter(self.folder / QUESTIONS_FILE, self.key, self._context) as sealed:
            sealed.write(json.dumps([asdict(Question.of(record)) for record in records]).encode())

    def read(self) -> list[Question]:
        """What `write` wrote. Raises JobFailure where it cannot be read."""
        try:
            with SealedReader(self.folder / QUESTIONS_FILE, self.key, self._context) as sealed:
                return [Question(**kept) for kept in json.loads(b"".join(sealed.pieces()))]
        except (OSError, SealBroken, ValueError) as error:
            raise JobFailure("What the serving engine is to be asked about the job's data cannot be read.") from error

    @property
    def _context(self) -> bytes:
        return f"job/{self.job_id}/{QUESTIONS_FILE}".encode()
