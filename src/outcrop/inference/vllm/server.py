"""A vLLM server as a child of this process: its command line, its environment, its end. Knows nothing of requests."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.errors import SettingsError
from outcrop.domain.lifeline import PARENT
from outcrop.domain.weights import BF16
from outcrop.inference.shelf import BASE
from outcrop.inference.vllm.adapters import KEPT

ROWS = 64
"""Answers side by side (`--max-num-seqs`)."""
ADAPTERS_AT_ONCE = 8
"""Adapters in one step (`--max-loras`): each place takes memory, used or not. Answers of a ninth wait for a place."""
HIGHEST_RANK = 64
"""Of an adapter (`--max-lora-rank`): each place takes memory for so many, too."""
MODULE = "vllm.entrypoints.openai.api_server"
DTYPES = {BF16: "bfloat16"}
POLL_S = 0.2
GRACE_S = 1.5  # the worker gives the face and all below it twice as long
CACHE_GIB = "1"  # for keys and values on a CPU, as in the embedded engine; on a card vLLM takes what is free
SETTINGS = {
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_HOST_IP": "127.0.0.1",  # what its own processes say to each other stays on this machine
    "HF_HUB_OFFLINE": "1",
    "SPT_NOENV": "1",  # its processes rename themselves, and would overwrite the environment that they are found by
}
UNLESS_SET = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_KVCACHE_SPACE": CACHE_GIB}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What is started: vLLM's own command, the checkpoint, where it listens, and what the user says besides."""

    command: Path
    checkpoint: Path
    socket: Path
    weights: str
    more: str = ""

    def words(self) -> list[str]:
        """The command line. What the user says comes last: there the last word counts."""
        return [
            *self._program(), "--uds", str(self.socket), "--served-model-name", BASE,
            "--dtype", DTYPES.get(self.weights, self.weights), "--max-model-len", "auto", "--max-num-seqs", str(ROWS),
            "--scheduling-policy", "priority", "--generation-config", "vllm",
            "--enable-lora", "--max-loras", str(ADAPTERS_AT_ONCE), "--max-cpu-loras", str(KEPT),
            "--max-lora-rank", str(HIGHEST_RANK), "--disable-uvicorn-access-log", "--no-enable-log-requests",
            *shlex.split(self.more),
        ]  # fmt: skip

    def _program(self) -> list[str]:
        """By its own command; by its module where the command is a Python: in some builds the command is broken."""
        if self.command.name.startswith("python"):
            return [str(self.command), "-m", MODULE, "--model", str(self.checkpoint)]
        return [str(self.command), "serve", str(self.checkpoint)]


class Server:
    """A started server. It lives in this process's group, dies with this process, and is stopped with it."""

    def __init__(self, start: Start) -> None:
        """Raises SettingsError where the command cannot be run."""
        start.socket.unlink(missing_ok=True)
        if not os.access(start.command, os.X_OK):
            raise SettingsError(f"{start.command} is no command that can be run: name vLLM's with --vllm.")
        self._socket = start.socket
        tied = [sys.executable, "-m", "outcrop.inference.vllm.tied", *start.words()]
        # Its talk goes where this process's goes. Only the main thread starts it: it dies with that.
        self._process = subprocess.Popen(tied, stdin=subprocess.DEVNULL, env=environment())

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        status = self._process.poll()
        if status is None:
            return None
        return f"vLLM ended with {f'signal {-status}' if status < 0 else f'status {status}'}"

    def await_health(self, healthy: Callable[[], bool]) -> None:
        """Return once it answers. Raises SettingsError where it ends first; whoever started this one has a limit."""
        while not (self._socket.exists() and healthy()):
            told = self.ended()
            if told is not None:
                raise SettingsError(f"{told} before it answered.")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """End it, and wait a little; what is left then is ended with the whole group."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """This process's, with what vLLM reads from there."""
    return {**UNLESS_SET, **os.environ, **SETTINGS, PARENT: str(os.getpid())}
