"""This machine: what memory is free now, how fast it is (measured once and kept in the home), how jobs graded it.

Knows nothing of plans. What cannot be measured is left out, and the estimate then says less.
"""

import contextlib
import importlib.metadata
import json
import logging
import os
import platform
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.domain.machine import Machine, graded
from outcrop.worker import children
from outcrop.worker.memory import free_memory, most_memory

POLL_S = 0.1
LONGEST_S = 120.0  # a measurement takes two seconds; a machine this busy has no speed to speak of
PROCESSORS = Path("/proc/cpuinfo")
CARDS = Path("/proc/driver/nvidia/gpus")
CHOSEN_CARDS = "CUDA_VISIBLE_DEVICES"
LOG = logging.getLogger(__name__)
_WRITING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a measuring child leaves its record and talk. `check` is called while it works; what it raises ends it."""

    records: Path
    log: Path
    check: Callable[[], None]


def here(file: Path, threads: int, place: Place | None = None) -> Machine:
    """This machine, its speed as `file` remembers it or else measured now, and kept there if its folder exists.

    A measurement without a `place` leaves nothing behind.
    """
    known = _read(file)
    name = fingerprint()
    speeds = known.get("speeds", {}).get(f"{name}/{threads}")
    if speeds is None or not _still_there(speeds):
        speeds = _measured(threads, place)
        if speeds and file.parent.is_dir():
            _remember(file, "speeds", f"{name}/{threads}", speeds)
    return _machine(speeds, known.get("grades", {}).get(name, {}))


def measure(threads: int) -> Machine:
    """This machine, measured now; nothing is remembered and no job has graded it."""
    return _machine(_measured(threads, None), {})


def learn(file: Path, kind: str, ratio: float) -> None:
    """A job of this kind took `ratio` times what the plain estimate said."""
    name = fingerprint()
    grades = _read(file).get("grades", {}).get(name, {})
    _remember(file, "grades", name, {**grades, kind: graded(grades.get(kind), ratio)})


def fingerprint() -> str:
    """What the speed depends on: processor, how many, torch's version, cards."""
    chosen = os.environ.get(CHOSEN_CARDS)
    cards = f"{visible_cards()} cards{'' if chosen is None else f' ({chosen})'}"
    return f"{_processor()}/{os.cpu_count()}/{_torch()}/{cards}"


def visible_cards(folder: Path | None = None) -> int:
    """How many cards the kernel's driver lists, unless the environment hides all of them."""
    hidden = os.environ.get(CHOSEN_CARDS, "0").strip() in ("", "-1")
    listing = folder or CARDS
    return len(list(listing.iterdir())) if listing.is_dir() and not hidden else 0


def _still_there(speeds: dict[str, Any]) -> bool:
    """Whether all that is asked for now was measured, and a remembered card is visible now.

    One that only torch can see is measured for each job.
    """
    seen = not speeds.get("card") or (visible_cards() > 0 and "card_total_bytes" in speeds)
    return seen and "process_bytes" in speeds


def _machine(speeds: dict[str, Any], grades: dict[str, float]) -> Machine:
    card = speeds.get("card")
    return Machine(
        memory_bytes=speeds["card_total_bytes"] if card else free_memory(),
        most_bytes=speeds["card_total_bytes"] if card else most_memory(),
        card=card,
        multiply_flops=speeds.get("multiply_flops", {}),
        copy_bytes_s=speeds.get("copy_bytes_s", 0.0),
        start_s=speeds.get("start_s", 0.0),
        process_bytes=speeds.get("process_bytes", 0),
        grades=grades,
    )


def _measured(threads: int, place: Place | None) -> dict[str, Any]:
    """What the calibrating child says; empty where it says nothing."""
    if place is None:
        with tempfile.TemporaryDirectory() as folder:
            return _measured(threads, Place(records=Path(folder), log=Path(folder, "talk"), check=lambda: None))
    try:
        found: dict[str, Any] = json.loads(_said(threads, place))
    except (TimeoutError, OSError, ValueError) as error:
        LOG.warning("this machine's speed could not be measured (%s): estimates say no time", type(error).__name__)
        return {}
    return found


def _said(threads: int, place: Place) -> bytes:
    """All that a calibrating child writes: less than a pipe holds. Raises TimeoutError where it takes too long."""
    launch = children.Launch(
        module="outcrop.training.calibration", arguments=[str(threads)], log=place.log, threads=threads, piped=True
    )
    child = children.start(launch, place.records)
    assert child.process.stdin is not None and child.process.stdout is not None
    latest = time.monotonic() + LONGEST_S
    with child.process.stdin, child.process.stdout:
        try:
            while child.running():
                place.check()
                if time.monotonic() > latest:
                    raise TimeoutError
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(POLL_S)
            return child.process.stdout.read()
        finally:
            child.stop()


def _read(file: Path) -> dict[str, Any]:
    """What was remembered; nothing where the file is missing, damaged or another program's."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(file: Path, part: str, name: str, value: Any) -> None:
    """Whole or not at all; what cannot be written is measured or learnt again."""
    with _WRITING, contextlib.suppress(OSError):
        known = _read(file)
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps({**known, part: {**known.get(part, {}), name: value}}, indent=1))
        fresh.replace(file)


def _torch() -> str:
    try:
        return f"torch {importlib.metadata.version('torch')}"
    except importlib.metadata.PackageNotFoundError:  # then nothing can be measured, either
        return "no torch"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in PROCESSORS.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
