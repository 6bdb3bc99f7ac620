"""A checked file to a prepared set: every piece made once, those that an earlier attempt made kept. Knows no buckets.

Resuming is the same walk: a piece that opens and begins where the one before it ends is kept, its stretch of the source
never read; one that is missing or damaged is made. So a set that was whole, cut off, or damaged comes out the same.
"""

import hashlib
import json
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import IO

import numpy as np

import outcrop
from outcrop.domain.errors import JobFailure, SealBroken
from outcrop.prepared.folder import PreparedFolder, RowNumbers, sha256
from outcrop.prepared.manifest import Manifest, PieceNote
from outcrop.prepared.piece import FORMAT, Piece, from_bytes
from outcrop.store.objects import ObjectRecord
from outcrop.text.checkpoint_files import read_files
from outcrop.worker.renderers import Crew
from outcrop.worker.rendering import Recipe, Stretch, Stretches

BARE_NAMED = 10  # so many rows without anything to learn are named; then the walk ends
CHECK_EVERY_S = 0.1
AHEAD = 2  # stretches that wait read, so that no renderer waits for the source
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is prepared: an open file, how messages name it, and what the store says of it."""

    file: IO[bytes]
    name: str
    record: ObjectRecord


def digest(recipe: Recipe, record: ObjectRecord) -> str:
    """The name of all that decides what the prepared rows are: what is read, how it is rendered, how it is laid out."""
    parts = {
        "source": [record.etag, record.size, dict(record.checksums)],
        "tokenizer": asdict(read_files(Path(recipe.checkpoint))),
        "records": [asdict(recipe.rules), recipe.context_tokens, recipe.moment.isoformat()],
        "layout": [FORMAT, recipe.stretch_bytes],
        "programs": [outcrop.__version__, metadata.version("tokenizers")],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def prepare(source: Source, folder: PreparedFolder, crew: Crew, check: Callable[[], None]) -> Manifest:
    """Make the folder's set whole; answers its manifest. `check` is called at least every 100 ms.

    Raises JobFailure where rows have nothing to learn, and names the first of them.
    """
    ledger = _Ledger()
    with closing(_pieces(source, folder, crew, check)) as pieces:
        for content in pieces:
            ledger.add(content)
            if len(ledger.bare_lines) >= BARE_NAMED:
                break
    if ledger.bare_lines:
        raise JobFailure(_nothing_to_learn(source.name, ledger.bare_lines, crew.recipe.context_tokens))
    manifest, numbers = ledger.close()
    folder.finish(manifest, numbers)
    return manifest


def _pieces(
    source: Source, folder: PreparedFolder, crew: Crew, check: Callable[[], None]
) -> Generator[bytes, None, None]:
    """Every piece's bytes, in the source's order; on disk already, but for one with a row that has nothing to learn."""

    hands = crew.hands(source.record.size)
    waiting: deque[Future[bytes]] = deque()
    # Left last to first: once this has ended, however it does, nobody renders or writes any more.
    with crew.rendering(hands) as render, _threads(hands) as pool:

        def make(number: int, stretch: Stretch) -> bytes:
            content = render(stretch)
            if not from_bytes(content).bare_lines:
                folder.write_piece(number, content)
            return content

        for number, found in enumerate(_walk(source, folder, crew.recipe.stretch_bytes)):
            waiting.append(_done(found) if isinstance(found, bytes) else pool.submit(make, number, found))
            while len(waiting) >= hands + AHEAD:
                yield _result(waiting.popleft(), check)
        while waiting:
            yield _result(waiting.popleft(), check)


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that drops what it has not begun when it is left."""
    pool = ThreadPoolExecutor(count, thread_name_prefix="render")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _walk(source: Source, folder: PreparedFolder, stretch_bytes: int) -> Iterator[bytes | Stretch]:
    """For each piece in turn its bytes, where it is there, or the stretch that it is to be made of."""
    stretches = Stretches(source.file, stretch_bytes)
    start, line, number = 0, 1, 0
    while start < source.record.size:
        kept = _kept(folder, number, start)
        if kept is not None:
            span = from_bytes(kept).span
            yield kept
        else:
            stretch = stretches.read(start, line)
            if stretch is None:
                return
            span = stretch.span
            yield stretch
        start, line, number = span.end, span.first_line + span.lines, number + 1


def _kept(folder: PreparedFolder, number: int, start: int) -> bytes | None:
    """A piece that an earlier attempt made, if it is whole."""
    try:
        content = folder.read_piece(number)
        if from_bytes(content).span.start == start:
            return content
        reason = "it belongs elsewhere"
    except FileNotFoundError:
        return None
    except (OSError, SealBroken, ValueError) as error:
        reason = str(error)
    LOG.warning("piece %s of prepared rows is made again: %s", number, reason)
    return None


def _result(future: "Future[bytes]", check: Callable[[], None]) -> bytes:
    while True:
        check()
        try:
            return future.result(CHECK_EVERY_S)
        except TimeoutError:
            continue


def _done(content: bytes) -> "Future[bytes]":
    future: Future[bytes] = Future()
    future.set_result(content)
    return future


@dataclass(slots=True)
class _Ledger:
    """What the pieces so far hold: a note a piece, two numbers a row."""

    notes: list[PieceNote] = field(default_factory=list)
    pieces: list[RowNumbers] = field(default_factory=list)
    bare_lines: list[int] = field(default_factory=list)
    tokens: int = 0
    longest: int = 0
    truncated_rows: int = 0
    skipped_rows: int = 0
    empty_answers: int = 0

    def add(self, content: bytes) -> None:
        piece: Piece = from_bytes(content)
        self.notes.append(PieceNote(rows=len(piece), size=len(content), sha256=sha256(content)))
        # copies, so that the piece itself is not held
        self.pieces.append(RowNumbers(piece.lengths, piece.counts.copy(), piece.ends.copy()))
        self.bare_lines += piece.bare_lines
        self.tokens += len(piece.tokens)
        self.longest = max(self.longest, int(piece.lengths.max(initial=0)))
        self.truncated_rows += piece.truncated_rows
        self.skipped_rows += piece.span.lines - len(piece)
        self.empty_answers += piece.empty_answers

    def close(self) -> tuple[Manifest, RowNumbers]:
        numbers = RowNumbers.joined(self.pieces)
        manifest = Manifest(
            rows=len(numbers.counts),
            tokens=self.tokens,
            trained_tokens=int(numbers.counts.sum(dtype=np.int64)),
            longest=self.longest,
            statistics=numbers.statistics(),
            truncated_rows=self.truncated_rows,
            skipped_rows=self.skipped_rows,
            empty_answers=self.empty_answers,
            index_sha256=sha256(numbers.to_bytes()),
            pieces=tuple(self.notes),
        )
        return manifest, numbers


def _nothing_to_learn(name: str, bare: list[int], limit: int) -> str:
    named = ", ".join(f"{name}:{line}" for line in bare[:BARE_NAMED])
    more = " (and perhaps more)" if len(bare) >= BARE_NAMED else ""
    return (
        f"{named}{more}: nothing of the record is left to learn once it is cut to the {limit} tokens that the "
        "checkpoint takes; shorten its prompt."
    )
