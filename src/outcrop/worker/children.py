"""Child processes that outlive nobody: own group, known to disk, killed whole. Knows nothing of jobs or engines.

On Linux a child also asks the kernel to die with the thread that started it (it does so itself, first thing). The
record on disk is for what that does not cover: other systems, and a child that had not come so far yet.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import IO, Any

import psutil

from outcrop.domain import lifeline
from outcrop.domain.engine_choice import VLLM_KEY

GRACE_S = 3.0
MARK = "OUTCROP_CHILD"  # the environment variable that a child, and whatever it starts, has from its record
BOOT_ID, NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
START_TIME_TOLERANCE_S = 0.05  # a process's start time is read in clock ticks of 10 ms


@dataclass(frozen=True, slots=True)
class Child:
    """A started child and the record that names it."""

    process: subprocess.Popen[bytes]
    record: Path

    def running(self) -> bool:
        """Whether the child has not ended."""
        return self.process.poll() is None

    def stop(self, grace_s: float = GRACE_S) -> None:
        """SIGTERM to the whole group, SIGKILL after the grace. Returns when the child is gone."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_s)
        _signal_group(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.forget()

    def ask_to_stop(self) -> None:
        """SIGTERM to the whole group; returns at once."""
        _signal_group(self.process.pid, signal.SIGTERM)

    def ending(self) -> str:
        """How it ended, in words; waits until it has."""
        status = self.process.wait()
        if status == -signal.SIGKILL:
            return f"signal {-status}: something killed it, as the system does where memory runs out"
        return f"signal {-status}" if status < 0 else f"exit status {status}"

    def forget(self) -> None:
        """Remove the record of an ended child."""
        self.record.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start: `python -m module`, its talk in a log; with `piped`, its standard input and output on pipes.

    `secrets`: names of credentials in this process's environment that it is given nevertheless.
    """

    module: str
    arguments: Sequence[str]
    log: Path
    threads: int = 1
    piped: bool = False
    secrets: Collection[str] = ()


def start(launch: Launch, records: Path) -> Child:
    """Start a child in a group of its own and leave its record."""
    records.mkdir(parents=True, exist_ok=True)
    mark = token_hex(16)
    with _open_log(launch.log) as talk:
        process = subprocess.Popen(
            [sys.executable, "-m", launch.module, *launch.arguments],
            stdin=subprocess.PIPE if launch.piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if launch.piped else talk,
            stderr=talk,
            start_new_session=True,
            env={**environment(launch.threads, launch.secrets), MARK: mark},
        )
    try:
        return Child(process, _write_record(records, process.pid, mark))
    except OSError:  # the disk is full: a child that the next start could not find must not run
        _end(process)
        raise


def environment(threads: int, secrets: Collection[str] = ()) -> dict[str, str]:
    """This process's environment without credentials but those named; the thread count set, the hubs switched off."""
    kept = {name: value for name, value in os.environ.items() if name in secrets or not _is_secret(name)}
    return {
        **kept,
        lifeline.PARENT: str(os.getpid()),
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _is_secret(name: str) -> bool:
    return name.startswith("AWS_") or name == VLLM_KEY


def kill_orphans(records: Path) -> int:
    """Kill every group that a record names and that still is what it was. Returns how many were alive."""
    killed = 0
    for record in sorted(records.glob("*.json")):
        killed += _kill_recorded(record)
        record.unlink(missing_ok=True)
    return killed


def _kill_recorded(record: Path) -> int:
    try:
        told = json.loads(record.read_text())
        pid, started = int(told["pid"]), float(told["started"])
    except (ValueError, KeyError, TypeError, OSError):
        return 0  # a record cut short by a crash
    alive = _still_there(pid, started, told)
    if alive:
        _signal_group(pid, signal.SIGKILL)
        psutil.wait_procs(alive, GRACE_S)
    return min(1, len(alive))


def _still_there(pid: int, started: float, told: dict[str, Any]) -> list[psutil.Process]:
    """The recorded process; where it is gone, what it left in the session that it led.

    The kernel gives nobody its number as long as that session has members. Once they are gone, or after a start of the
    machine or in another container, it may: so they are looked for only where numbers mean the same, by their mark.
    """
    try:
        process = psutil.Process(pid)
        return [process] if abs(process.create_time() - started) < START_TIME_TOLERANCE_S else []
    except psutil.NoSuchProcess:
        mark = told.get("mark")
        if mark is None or told.get("numbers") != _numbers():
            return []
        return [found for found in psutil.process_iter() if _is_of_session(found, pid, started, mark)]
    except psutil.Error:
        return []  # another user's by now


def _is_of_session(found: psutil.Process, session: int, started: float, mark: str) -> bool:
    try:
        return (
            os.getsid(found.pid) == session
            and found.create_time() >= started - START_TIME_TOLERANCE_S
            and found.environ().get(MARK) == mark
        )
    except (OSError, psutil.Error):
        return False


def _numbers() -> list[str]:
    """Within what a process number names one process: this start of the machine, this namespace. Linux alone says."""
    told = []
    with contextlib.suppress(OSError):
        told.append(BOOT_ID.read_text().strip())
    with contextlib.suppress(OSError):
        told.append(str(NAMESPACE.readlink()))
    return told


def _write_record(records: Path, pid: int, mark: str) -> Path:
    record = records / f"{pid}.json"
    with contextlib.suppress(psutil.NoSuchProcess):  # ended already: nothing to kill later
        told = {"pid": pid, "started": psutil.Process(pid).create_time(), "numbers": _numbers(), "mark": mark}
        record.write_text(json.dumps(told))
    return record


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _open_log(log: Path) -> IO[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
