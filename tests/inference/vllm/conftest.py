"""The engine before vLLM, as a process of its own, and a program in vLLM's place behind it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import vllm_stand_in
from outcrop.text import Tokenizer

START_S = 60.0


class VllmEngine:
    """`python -m outcrop.inference.vllm` and a client on its socket; `server` is the program in vLLM's place."""

    def __init__(self, folder: Path, checkpoint: Path, *words: str, **variables: str) -> None:
        self.socket = folder / "engine.sock"
        self.log = folder / "engine.log"
        command = [sys.executable, "-m", "outcrop.inference.vllm", "--checkpoint", str(checkpoint)]
        capacity = ["--capacity", str(folder / "capacity.json")]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--socket", str(self.socket), *capacity, *words],
                stderr=log,
                start_new_session=True,
                env={**os.environ, **variables},
            )
        transport = httpx.HTTPTransport(uds=str(self.socket))
        self.client = httpx.Client(transport=transport, base_url="http://engine", timeout=START_S)

    def ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.socket.exists()

    @property
    def server(self) -> psutil.Process:
        (server,) = psutil.Process(self.process.pid).children()
        return server

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.client.post(path, json=body)

    def said(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.post(path, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def end(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):  # as the worker does with what is left
            os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vllm_stand_in.command_in(tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="module")
def vllm_engine(
    checkpoint: Path, command: Path, tmp_path_factory: pytest.TempPathFactory, until: Any
) -> Iterator[VllmEngine]:
    engine = VllmEngine(tmp_path_factory.mktemp("v"), checkpoint, "--command", str(command))
    until(engine.ready)
    yield engine
    engine.end()


@pytest.fixture
def other_server(checkpoint: Path, tmp_path: Path, until: Any) -> Iterator[Any]:
    """Starts a server that is another's: (*words, **variables) -> its URL."""
    running = []

    def start(*words: str, **variables: str) -> str:
        port = str(free_port())
        line = [sys.executable, vllm_stand_in.__file__, "serve", str(checkpoint), "--port", port, *words]
        running.append(subprocess.Popen(line, env={**os.environ, **variables}, start_new_session=True))
        url = f"http://127.0.0.1:{port}"
        until(lambda: _listens(url))
        return url

    yield start
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def start_engine(checkpoint: Path, tmp_path: Path) -> Iterator[Any]:
    """Starts an engine: (*words, **variables) -> it, ready or not; in a folder of its own, or the one of another."""
    engines: list[VllmEngine] = []

    def start(*words: str, folder: Path | None = None, **variables: str) -> VllmEngine:
        folder = folder or tmp_path / str(len(engines))
        folder.mkdir(exist_ok=True)
        engines.append(VllmEngine(folder, checkpoint, *words, **variables))
        return engines[-1]

    yield start
    for engine in engines:
        engine.end()


@pytest.fixture(scope="session")
def tokenizer(checkpoint: Path) -> Tokenizer:
    return Tokenizer.load(checkpoint)


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(url: str) -> bool:
    try:
        httpx.get(f"{url}/health", timeout=5)
    except httpx.TransportError:
        return False
    return True


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them end soon."""
    began = time.monotonic()
    _, alive = psutil.wait_procs(processes, timeout=10)
    return not alive and time.monotonic() - began < 10
