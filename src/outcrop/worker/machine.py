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
import sys
import threading
from pathlib import Path
from typing import Any

from outcrop.domain.machine import Machine, graded
from outcrop.worker.memory import free_memory, most_memory

LONGEST_S = 120.0  # a measurement takes two seconds; a machine this busy has no speed to speak of
PROCESSORS = Path("/proc/cpuinfo")
CARDS = Path("/proc/driver/nvidia/gpus")
CHOSEN_CARDS = "CUDA_VISIBLE_DEVICES"
LOG = logging.getLogger(__name__)
_WRITING = threading.Lock()


def here(file: Path, threads: int) -> Machine:
    """This machine, its speed as `file` remembers it or else measured now, and kept there if its folder exists."""
    known = _read(file)
    name = fingerprint()
    speeds = known.get("speeds", {}).get(f"{name}/{threads}")
    if speeds is None or not _still_there(speeds):
        speeds = _measured(threads)
        if speeds and file.parent.is_dir():
            _remember(file, "speeds", f"{name}/{threads}", speeds)
    return _machine(speeds, known.get("grades", {}).get(name, {}))


def measure(threads: int) -> Machine:
    """This machine, measured now; nothing is remembered and no job has graded it."""
    return _machine(_measured(threads), {})


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


def visible_cards(folder: Path = CARDS) -> int:
    """How many cards the kernel's driver lists, unless the environment hides all of them."""
    hidden = os.environ.get(CHOSEN_CARDS, "0").strip() in ("", "-1")
    return len(list(folder.iterdir())) if folder.is_dir() and not hidden else 0


def _still_there(speeds: dict[str, Any]) -> bool:
    """Whether a remembered card is visible now; one that only torch can see is measured for each job."""
    return not speeds.get("card") or (visible_cards() > 0 and "card_total_bytes" in speeds)


def _machine(speeds: dict[str, Any], grades: dict[str, float]) -> Machine:
    card = speeds.get("card")
    return Machine(
        memory_bytes=speeds["card_total_bytes"] if card else free_memory(),
        most_bytes=speeds["card_total_bytes"] if card else most_memory(),
        card=card,
        multiply_flops=speeds.get("multiply_flops", {}),
        copy_bytes_s=speeds.get("copy_bytes_s", 0.0),
        start_s=speeds.get("start_s", 0.0),
        grades=grades,
    )


def _measured(threads: int) -> dict[str, Any]:
    """What the calibrating child says; empty where it says nothing."""
    command = [sys.executable, "-m", "outcrop.training.calibration", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    try:
        said = subprocess.run(command, capture_output=True, check=True, timeout=LONGEST_S, env=environment).stdout
        found: dict[str, Any] = json.loads(said)
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        LOG.warning("this machine's speed could not be measured (%s): estimates say no time", type(error).__name__)
        return {}
    return found


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
