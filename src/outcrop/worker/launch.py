"""One training child: its plan and keys in, its events out. Knows nothing of buckets, rows or leases."""

import base64
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Event, Failed, Finished, from_line
from outcrop.domain.plan import TrainingPlan
from outcrop.worker import children
from outcrop.worker.priority import Place, Standing

POLL_S = 0.1
ENDED = None  # what the reader puts last
LOG = logging.getLogger(__name__)

_Lines = queue.SimpleQueue[bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a child is to do. It writes its model into `folder / "out"`, and its talk into `log`.

    `checkpoints` is this attempt's own folder for them, beside those of earlier attempts; None: it keeps none.
    `keys`: the job's data key, then the parent's where the plan has one; they go through the child's standard input.
    """

    plan: TrainingPlan
    folder: Path
    log: Path
    checkpoints: Path | None = None
    keys: Sequence[bytes] = field(repr=False)


def train(
    training: Training,
    records: Path,
    check: Callable[[], None],
    standing: Callable[[], Standing] = lambda: Standing.FREE,
) -> Generator[Event, None, None]:
    """Run the plan in a child; yields its events as they come.

    `check` is called at least every 100 ms; what it raises, and closing the generator, stops the child's whole group
    first. `standing` says, in a thread of its own, how far behind others on the same processors the child is to be.
    Raises JobFailure where the child says so, or ends without a last word.
    """
    plan_file = training.folder / "plan.json"
    plan_file.write_text(training.plan.to_json())
    checkpoints = [] if training.checkpoints is None else [str(training.checkpoints)]
    launch = children.Launch(
        module="outcrop.training",
        arguments=[str(plan_file), str(training.folder / "out"), *checkpoints],
        log=training.log,
        threads=training.plan.threads,
        piped=True,
    )
    child = children.start(launch, records)
    try:
        with Place(child.process.pid, standing):
            _hand_over(child, training.keys)
            yield from _listen(child, check)
    finally:
        child.stop()


def _hand_over(child: children.Child, keys: Sequence[bytes]) -> None:
    pipe = child.process.stdin
    assert pipe is not None
    with contextlib.suppress(BrokenPipeError):  # it died at birth: its exit status tells, below
        pipe.write(b"".join(base64.b64encode(key) + b"\n" for key in keys))
        pipe.close()


def _listen(child: children.Child, check: Callable[[], None]) -> Iterator[Event]:
    lines: _Lines = queue.SimpleQueue()
    threading.Thread(target=_read, args=(child, lines), name="events", daemon=True).start()
    last: Event | None = None
    for event in _events(_until_ended(lines, check)):
        last = event
        if isinstance(event, Failed):
            raise JobFailure(event.cause)
        yield event
    if not isinstance(last, Finished):
        raise JobFailure(f"The training process ended without a result ({child.ending()}).")


def _events(lines: Iterator[bytes]) -> Iterator[Event]:
    for line in lines:
        try:
            yield from_line(line.decode())
        except (ValueError, TypeError, KeyError):  # a library that prints: what it says may hold a row's text
            LOG.warning("a training process said something that is no event (%s bytes)", len(line))


def _until_ended(lines: _Lines, check: Callable[[], None]) -> Iterator[bytes]:
    checked = 0.0
    while True:
        if time.monotonic() - checked >= POLL_S:
            check()
            checked = time.monotonic()
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if line is ENDED:
            return
        yield line


def _read(child: children.Child, lines: _Lines) -> None:
    assert child.process.stdout is not None
    with child.process.stdout as pipe:
        for line in pipe:
            lines.put(line)
    lines.put(ENDED)
