"""One training child: its plan and keys in, its events out. Knows nothing of buckets, rows or leases."""

import base64
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Event, Failed, Finished, from_line
from outcrop.domain.plan import TrainingPlan
from outcrop.worker import children

POLL_S = 0.1
ENDED = None  # what the reader puts last


def train(
    plan: TrainingPlan, folder: Path, keys: Sequence[bytes], records: Path, check: Callable[[], None]
) -> Iterator[Event]:
    """Run the plan in a child that writes its model into `folder / "out"`; yields its events as they come.

    `keys`: the job's data key, then the parent's where the plan has one; they go through the child's standard input.
    `check` is called at least every 100 ms; what it raises stops the child's whole group first. Raises JobFailure
    where the child says so, or ends without a last word.
    """
    written = folder / "plan.json"
    written.write_text(plan.to_json())
    launch = children.Launch(
        module="outcrop.training",
        arguments=[str(written), str(folder / "out")],
        log=folder / "training.log",
        threads=plan.threads,
        piped=True,
    )
    child = children.start(launch, records)
    try:
        _hand_over(child, keys)
        yield from _listen(child, check)
    finally:
        child.stop()


def _hand_over(child: children.Child, keys: Sequence[bytes]) -> None:
    pipe = child.process.stdin
    assert pipe is not None
    try:
        pipe.write(b"".join(base64.b64encode(key) + b"\n" for key in keys))
        pipe.close()
    except BrokenPipeError:
        pass  # it died at birth: its exit status tells, below


def _listen(child: children.Child, check: Callable[[], None]) -> Iterator[Event]:
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(child, lines), name="events", daemon=True).start()
    last: Event | None = None
    for line in _until_ended(lines, check):
        last = from_line(line.decode())
        if isinstance(last, Failed):
            raise JobFailure(last.cause)
        yield last
    if not isinstance(last, Finished):
        raise JobFailure(f"The training process ended without a result ({_ending(child)}).")


def _until_ended(lines: "queue.SimpleQueue[bytes | None]", check: Callable[[], None]) -> Iterator[bytes]:
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


def _read(child: children.Child, lines: "queue.SimpleQueue[bytes | None]") -> None:
    assert child.process.stdout is not None
    with child.process.stdout as pipe:
        for line in pipe:
            lines.put(line)
    lines.put(ENDED)


def _ending(child: children.Child) -> str:
    status = child.process.wait()
    return f"signal {-status}" if status < 0 else f"exit status {status}"
