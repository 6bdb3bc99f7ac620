"""Runs one trainer on one core and notes, at each of its events, the clock and the processor time it has used.

What is noted is read from outside, in the same way for every trainer: /proc at the moment an event line arrives. Knows
nothing of what is trained. Linux only.
"""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat, counted after the command's closing bracket.
USER_TICKS, SYSTEM_TICKS = 11, 12
KILOBYTES_PER_MB = 1024
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
ON_A_CORE = {**ONE_THREAD, "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program to run. `variables` join the environment; `stdin` is what it reads; `log` gets its standard error."""

    words: Sequence[str]
    stdin: bytes = b""
    variables: Mapping[str, str]
    log: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An event, and what the process had used by then."""

    event: dict[str, Any]
    seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A process from start to end."""

    moments: tuple[Moment, ...]
    peak_mb: float

    @property
    def steps(self) -> tuple[Moment, ...]:
        """Each optimizer step, at its end."""
        return tuple(moment for moment in self.moments if moment.event["event"] == "Step")


def watch(command: Command, core: int | None) -> Watched:
    """Runs the command to its end, pinned to `core` and without a GPU, or with all that there is where `core` is None.

    Ends this program where the command fails.
    """
    pinned = {} if core is None else ON_A_CORE
    with command.log.open("ab") as log:
        began = time.monotonic()
        child = subprocess.Popen(
            command.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **OFFLINE, **pinned, **command.variables},
            preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        )
        try:
            moments = _listen(child, command.stdin, began)
            status = child.wait()
        except BaseException:
            child.kill()
            raise
    if status != 0 or not moments:
        raise SystemExit(f"{' '.join(command.words)} failed:\n{command.log.read_text(errors='replace')[-4000:]}")
    return Watched(moments=tuple(moments), peak_mb=max(moment.peak_mb for moment in moments))


def _listen(child: "subprocess.Popen[bytes]", stdin: bytes, began: float) -> list[Moment]:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(stdin)
    child.stdin.close()
    moments = []
    for line in child.stdout:
        seconds, cpu_seconds = time.monotonic() - began, _cpu_seconds(child.pid)
        event = _event(line)
        if event is not None:
            moments.append(Moment(event=event, seconds=seconds, cpu_seconds=cpu_seconds, peak_mb=_peak_mb(child.pid)))
    return moments


def _cpu_seconds(pid: int) -> float:
    """Processor time of every thread of a process that has not been waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) / TICKS_PER_S


def _peak_mb(pid: int) -> float:
    """The most memory it has held. (What wait4 says counts the process that started it as well.)"""
    status = Path(f"/proc/{pid}/status").read_text().split("VmHWM:")
    return int(status[1].split()[0]) / KILOBYTES_PER_MB if len(status) > 1 else 0.0


def _event(line: bytes) -> dict[str, Any] | None:
    """What a line says, where it is an event: peers' libraries print there as well."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "event" in found else None
