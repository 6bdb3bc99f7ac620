"""The servers under measure, each a process of its own: started, given adapters, asked. Knows no ratio.

Outcrop is the engine as the worker starts it, on its socket; vLLM its own server; transformers and PEFT a program.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import httpx
from environments import TRL, VLLM, python_of

from outcrop.text import Tokenizer
from serving_peers.material import ADAPTERS, ANSWER_TOKENS, CLIENTS, PROMPT_TOKENS

STARTS_WITHIN_S = 900.0  # vLLM, on a busy machine
ASKS_WITHIN_S = 600.0
POLL_S = 0.2
LAST_LINES = 15  # of the log of a server that did not start
BASE = "base"


Prompt = list[int] | str


class Server(Protocol):
    """Answers prompts, each with the model named beside it."""

    def answer(self, prompts: Sequence[Prompt], models: Sequence[str]) -> tuple[float, list[str]]:
        """The seconds that all took side by side, and what was said."""

    def end(self) -> None:
        """Stop the process."""


class Asked:
    """A server that speaks the completions dialect: one client a prompt, each streaming."""

    def __init__(
        self, process: "subprocess.Popen[bytes]", client: httpx.Client, extras: Mapping[str, Any], log: Path
    ) -> None:
        self._process, self._client, self._extras, self._log = process, client, extras, log
        self._threads = ThreadPoolExecutor(CLIENTS)

    def wait(self) -> None:
        """Until it answers. Ends this program where it ends first."""
        give_up = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > give_up:
                raise SystemExit(f"it did not start, and says last:\n{self._last_words()}")
            time.sleep(POLL_S)

    def _last_words(self) -> str:
        return "\n".join(self.said().splitlines()[-LAST_LINES:])

    def load(self, folders: Sequence[Path]) -> None:
        """Adapters, under their folders' names."""
        for folder in folders:
            body = {"lora_name": folder.name, "lora_path": str(folder)}
            self._client.post("/v1/load_lora_adapter", json=body).raise_for_status()

    def answer(self, prompts: Sequence[Prompt], models: Sequence[str]) -> tuple[float, list[str]]:
        """As a Server does."""
        began = time.monotonic()
        said = list(self._threads.map(self._ask, prompts, models))
        return time.monotonic() - began, said

    def said(self) -> str:
        """What it wrote to its log."""
        return self._log.read_text(errors="replace")

    def end(self) -> None:
        """Stop the process."""
        self._threads.shutdown()
        self._client.close()
        self._process.terminate()
        self._process.wait(60)

    def _answers(self) -> bool:
        try:
            return self._client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def _ask(self, prompt: Prompt, model: str) -> str:
        body = {"model": model, "prompt": prompt, "max_tokens": ANSWER_TOKENS, "temperature": 0, "stream": True,
                "stream_options": {"include_usage": True}, **self._extras}  # fmt: skip
        texts, tokens = [], 0
        with self._client.stream("POST", "/v1/completions", json=body) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if not line.startswith("data: {"):
                    continue
                event = json.loads(line.removeprefix("data: "))
                texts += [choice["text"] for choice in event["choices"]]
                tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
        if tokens != ANSWER_TOKENS:
            raise SystemExit(f"{model} said {tokens} tokens, not {ANSWER_TOKENS}")
        return "".join(texts)


def outcrop(model: Path, scratch: Path, threads: int, weights: str = "float32") -> Asked:
    """The engine, started with the worker's own arguments."""
    path, log = scratch / f"{weights}.sock", scratch / f"outcrop-{weights}.log"
    words = [sys.executable, "-m", "outcrop.inference", "--checkpoint", str(model), "--socket", str(path)]
    process = started([*words, "--threads", str(threads), "--weights", weights], log, threads)
    client = httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://engine", timeout=ASKS_WITHIN_S)
    return Asked(process, client, {}, log)


def vllm(model: Path, scratch: Path, threads: int) -> Asked:
    """vLLM's CPU build, adapters loaded as it runs."""
    port = free_port()
    words = [
        str(python_of(VLLM)), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--port", str(port),
        "--host", "127.0.0.1", "--served-model-name", BASE, "--dtype", "float32", "--enable-lora",
        "--max-loras", str(ADAPTERS), "--max-lora-rank", "16", "--max-num-seqs", str(CLIENTS),
        "--max-model-len", str(2 * (PROMPT_TOKENS + ANSWER_TOKENS)), "--generation-config", "vllm",
    ]  # fmt: skip
    variables = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_CPU_KVCACHE_SPACE": "1",
                 "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True", "HF_HUB_OFFLINE": "1"}  # fmt: skip
    process = started(words, scratch / "vllm.log", threads, variables)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=ASKS_WITHIN_S)
    return Asked(process, client, {"ignore_eos": True}, scratch / "vllm.log")


class LibraryServer:
    """transformers and PEFT: a static batch for several prompts."""

    def __init__(self, model: Path, adapters: Sequence[Path], scratch: Path, threads: int) -> None:
        program = Path(__file__).with_name("library_program.py")
        words = [str(python_of(TRL)), str(program), str(model), *map(str, adapters)]
        variables = {"HF_HUB_OFFLINE": "1"}
        self._process = started(words, scratch / "library.log", threads, variables, piped=True)
        self._tokenizer = Tokenizer.load(model)
        self._read()

    def answer(self, prompts: Sequence[Prompt], models: Sequence[str]) -> tuple[float, list[str]]:
        """As a Server does."""
        adapters = None if set(models) == {BASE} else ["__base__" if name == BASE else name for name in models]
        work = {"prompts": prompts, "adapters": adapters, "tokens": ANSWER_TOKENS}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(work).encode() + b"\n")
        self._process.stdin.flush()
        told = self._read()
        return told["seconds"], [self._tokenizer.decode(tokens) for tokens in told["answers"]]

    def end(self) -> None:
        """Stop the process."""
        self._process.terminate()
        self._process.wait(60)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("transformers' program ended; its log lies beside the checkpoint")
        told: dict[str, Any] = json.loads(line)
        return told


def started(
    words: Sequence[str], log: Path, threads: int, variables: Mapping[str, str] | None = None, piped: bool = False
) -> "subprocess.Popen[bytes]":
    counted = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    pipe = subprocess.PIPE if piped else subprocess.DEVNULL
    """A process with so many threads and no card, which writes to `log`; with `piped` this program talks to it."""
    with log.open("ab") as told:
        return subprocess.Popen(
            words, stdin=pipe, stdout=pipe if piped else told, stderr=told,
            env={**os.environ, **counted, "CUDA_VISIBLE_DEVICES": "", **(variables or {})},
        )  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
