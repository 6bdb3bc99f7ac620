"""Asks a job's records side by side, and keeps the answers in the records' order. Knows no bucket and no row.

The window is as wide as the engine's share; what its oldest record waits for holds back the others' lines, not their
work. Every few seconds what is there is kept as a segment, so that a kill costs seconds of work.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from outcrop.domain.errors import Fault
from outcrop.services.runtime.exchange import Stopwatch
from outcrop.worker.batch import dialects
from outcrop.worker.batch.answers import Answers, Position
from outcrop.worker.batch.dialects import Dialect
from outcrop.worker.batch.engine import JobsEngine
from outcrop.worker.batch.inputs import Record
from outcrop.worker.batch.share import Share

LOOK_EVERY_S = 0.2  # how soon a stop is heard
KEEP_EVERY_S = 2.0
SEGMENT_BYTES = 8 << 20  # lines held in memory before they are kept
WINDOW = 32  # records read ahead of the oldest one that has no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was answered so far."""

    success: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def records(self) -> int:
        """How many were answered, well or not."""
        return self.success + self.errors

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            success=self.success + other.success,
            errors=self.errors + other.errors,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class _Line:
    text: bytes
    counts: Tally


@dataclass(slots=True, kw_only=True)
class Asking:
    """A job's records on their way. `keep` is told each time that more answers are on disk."""

    engine: JobsEngine
    dialect: Dialect
    share: Share
    answers: Answers
    check: Callable[[], None]
    keep: Callable[[Position, Tally], None]
    position: Position
    tally: Tally
    _window: deque[tuple[Record, asyncio.Task[_Line]]] = field(default_factory=deque)
    _lines: list[bytes] = field(default_factory=list)
    _held: Position = field(default_factory=Position)
    _kept: Tally = field(init=False)
    _kept_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._kept = self.tally

    @property
    def kept(self) -> Tally:
        """What the answers on disk count: behind `tally` by those that wait to be kept."""
        return self._kept

    async def file(self, number: int, records: Iterator[Record]) -> None:
        """Every record of one file. What is raised meanwhile (a stop, say) leaves all that was in order kept."""
        self._held = self.position = self.position if self.position.file == number else Position(file=number)
        try:
            while await self._fill(records) or self._window:
                await self._wait()
                self._take()
                self.check()
                if time.monotonic() - self._kept_at >= KEEP_EVERY_S or _size(self._lines) >= SEGMENT_BYTES:
                    self._keep()
        finally:
            await self._cancel()
        self._keep()

    def keep_what_is_there(self) -> None:
        """Keep the lines that are in order, before the job ends or is handed back: what a question raised ended it."""
        while self._window and _has_answer(self._window[0][1]):
            self._take_one()
        self._keep()

    async def _wait(self) -> None:
        """Until one more is answered, or it is time to look up."""
        under_way = [task for _, task in self._window if not task.done()]
        if under_way and not self._window[0][1].done():
            await asyncio.wait(under_way, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)

    async def _fill(self, records: Iterator[Record]) -> bool:
        """Ask as many as there is room for; False where no more records come."""
        places = await asyncio.to_thread(self.share.places, self.engine.socket)
        while len(self._window) < WINDOW:
            if self._window and not self.share.has_room(self.engine.socket, places):
                return True
            record = next(records, None)
            if record is None:
                return False
            number = self.tally.records + len(self._window) + 1
            task = asyncio.create_task(self._answer(record, record.record_id or f"RECORD{number:07d}"))
            self._window.append((record, task))
            await asyncio.sleep(0)  # it has begun, and counts
        return True

    async def _answer(self, record: Record, record_id: str) -> _Line:
        with self.share.asking(self.engine.socket):
            watch = Stopwatch()
            try:
                answer = await self.engine.answer(self.dialect.asked(record.model_input))
            except Fault as fault:
                return _Line(dialects.error_line(record_id, record.model_input, fault), Tally(errors=1))
            output = self.dialect.answered(record.model_input, answer, watch.elapsed_ms())
            counts = Tally(success=1, input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)
            return _Line(dialects.answer_line(record_id, record.model_input, output), counts)

    def _take(self) -> None:
        """Lines whose turn has come. Raises what ended a question otherwise than with an answer or an error."""
        while self._window and self._window[0][1].done() and not self._window[0][1].cancelled():
            self._take_one()

    def _take_one(self) -> None:
        line = self._window[0][1].result()
        record, _ = self._window.popleft()
        self._lines.append(line.text)
        self.tally = self.tally.plus(line.counts)
        self._held = replace(self._held, offset=record.end, line=record.number)

    def _keep(self) -> None:
        self._kept_at = time.monotonic()
        if self._lines:
            self.answers.write(self._held.file, self._held.segments, b"".join(self._lines))
            self._kept = self.tally
            self._held = self.position = replace(self._held, segments=self._held.segments + 1)
            self._lines.clear()
            self.keep(self.position, self.tally)

    async def _cancel(self) -> None:
        """Hang up on whatever is still asked: the engine forgets it at once."""
        tasks = [task for _, task in self._window]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _has_answer(task: asyncio.Task[_Line]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _size(lines: list[bytes]) -> int:
    return sum(len(line) for line in lines)
