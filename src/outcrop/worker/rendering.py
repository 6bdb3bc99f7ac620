"""A stretch of a training file to a piece of token rows: what is rendered, how, and in which stretches.

Every process that renders runs this file, and it alone says what the rows are. Knows nothing of seals, stores or jobs.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import msgspec

from outcrop import corpus
from outcrop.corpus.lines import lines
from outcrop.domain.conversation import Completion, Conversation, Passage, Record
from outcrop.families.record_format import RecordFormat
from outcrop.prepared.piece import Piece, Span, piece_of
from outcrop.text import Rendered, Tokenizer

# A piece of the cache is what this much source holds: about 300 000 tokens, 1.5 MB. Big enough that a seal and two
# fsyncs (20 ms) are little beside the rendering (200 ms and more); small enough that a window of the training child's
# buffer mixes forty of them, and that a kill costs little.
STRETCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides what the pieces are. `moment` is what a template that asks for the date is told."""

    checkpoint: str
    rules: RecordFormat
    context_tokens: int
    moment: datetime
    stretch_bytes: int = STRETCH_BYTES

    def tokenizer(self) -> Tokenizer:
        """The checkpoint's tokenizer at the recipe's moment."""
        return Tokenizer.load(Path(self.checkpoint), clock=lambda: self.moment)

    def to_json(self) -> bytes:
        """The recipe for a process that renders."""
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(content: bytes) -> "Recipe":
        """The recipe that `to_json` wrote."""
        return msgspec.json.decode(content, type=Recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Whole lines of a file, and where they stood."""

    span: Span
    content: bytes


class Stretches:
    """A file in stretches of at least `size` bytes. Where one ends follows from where it starts and what is there."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self._at = -1
        self._lines: Iterator[tuple[bytes | None, int]] = iter(())

    def read(self, start: int, first_line: int) -> Stretch | None:
        """The stretch that begins with the line at byte `start`; None at the end of the file.

        A line too long to hold is counted, and left out.
        """
        if start != self._at:
            self._file.seek(start)
            self._lines, self._at = lines(self._file), start
        held: list[bytes] = []
        count = 0
        while self._at - start < self._size:
            line, size = next(self._lines, (None, -1))
            if size < 0:
                break
            count += 1
            self._at += size + 1
            if line is not None:
                held.append(line)
        if not count:
            return None
        # The last line of a file may lack its newline: then the end is one byte beyond the file, and nothing is there.
        span = Span(first_line=first_line, lines=count, start=start, end=self._at)
        return Stretch(span=span, content=b"\n".join(held))


def render(stretch: Stretch, recipe: Recipe, tokenizer: Tokenizer) -> Piece:
    """The stretch's records as they will be trained, in order, each cut to what the checkpoint takes."""
    rows: list[Rendered] = []
    truncated = empty = 0
    for record in corpus.read(io.BytesIO(stretch.content), recipe.rules):
        rendered = tokenizer.render(record)
        truncated += len(rendered.ids) > recipe.context_tokens
        empty += _has_empty_answer(record)
        rows.append(rendered.cut(recipe.context_tokens))
    return piece_of(rows, stretch.span, truncated_rows=truncated, empty_answers=empty)


def _has_empty_answer(record: Record) -> bool:
    match record:
        case Conversation():
            return any(message.role == "assistant" and not message.text for message in record.messages)
        case Completion():
            return not record.completion
        case Passage():
            return not record.text
