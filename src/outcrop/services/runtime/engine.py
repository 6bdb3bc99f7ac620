"""What the worker asks of an engine: does it answer, what has it loaded, load this, forget that. Blocks; for threads.

Knows no request of a caller: those go through `client`.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from outcrop.domain.errors import OutcropError

HEALTH_TIMEOUT_S = 2.0
LOAD_TIMEOUT_S = 600.0
ANSWER_TIMEOUT_S = 600.0  # a few short rows: a large model on a slow machine, behind other answers

AWAY = 503  # what it asks in its turn, as vLLM, does not answer: it ends, and another follows


class EngineRefused(OutcropError):
    """The engine does not do what it was asked; the sentence is its own."""


class EngineSilent(EngineRefused):
    """Nobody answers: the engine is still starting, is gone, or went away in the middle."""


def is_ready(socket: Path) -> bool:
    """Whether an engine answers on the socket."""
    try:
        _ask(socket, HEALTH_TIMEOUT_S, "GET", "/health", None)
    except EngineRefused:
        return False
    return True


def loaded(socket: Path) -> list[str]:
    """The names that can be asked for; `base` is the checkpoint itself."""
    answer = _ask(socket, HEALTH_TIMEOUT_S, "GET", "/v1/models", None)
    return [model["id"] for model in answer.json()["data"]]


def load_adapter(socket: Path, name: str, folder: Path) -> None:
    """Load a custom model from a plaintext folder, beside the answers under way. One already there is replaced."""
    _ask(socket, LOAD_TIMEOUT_S, "POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})


def unload_adapter(socket: Path, name: str) -> None:
    """Forget a custom model; its answers under way end as they would have."""
    _ask(socket, LOAD_TIMEOUT_S, "POST", "/v1/unload_lora_adapter", {"lora_name": name})


def shelve(socket: Path, evictable: Collection[str]) -> tuple[set[str], set[str]]:
    """Tell which models may go where an engine needs room. Says which had to go, and which of them are asked for."""
    said = _ask(socket, HEALTH_TIMEOUT_S, "POST", "/outcrop/shelf", {"evictable": sorted(evictable)}).json()
    return set(said["evicted"]), set(said["wanted"])


def memory(socket: Path) -> dict[str, Any]:
    """What an engine's custom models take and may take, and what it keeps of prompts."""
    said: dict[str, Any] = _ask(socket, HEALTH_TIMEOUT_S, "GET", "/outcrop/memory", None).json()
    return said


def open_answers(socket: Path) -> int:
    """How many answers are under way."""
    return int(_ask(socket, HEALTH_TIMEOUT_S, "GET", "/health", None).json()["answers"])


def sell(socket: Path, units: Mapping[str, int], sold: int) -> None:
    """Tell who bought how many units of this engine's time, and how many are sold on the machine in all."""
    _ask(socket, HEALTH_TIMEOUT_S, "POST", "/outcrop/throughput", {"units": dict(units), "sold": sold})


def throughput(socket: Path) -> dict[str, Any]:
    """What the engine measured (`capacity`), and how each buyer stands (`buyers`)."""
    said: dict[str, Any] = _ask(socket, HEALTH_TIMEOUT_S, "GET", "/outcrop/throughput", None).json()
    return said


def tokens_of(socket: Path, body: dict[str, Any]) -> list[int]:
    """The tokens that a raw prompt (`prompt`) or a conversation (`messages`) is, as the engine renders it."""
    said: list[int] = _ask(socket, ANSWER_TIMEOUT_S, "POST", "/tokenize", body).json()["tokens"]
    return said


def prompt_logprobs(socket: Path, name: str, tokens: Sequence[int], likeliest: int) -> list[dict[int, float]]:
    """Log-probabilities by token at each place of `tokens` but the first: of the one there, and of the likeliest."""
    asked = {"model": name, "prompt": list(tokens), "max_tokens": 1, "temperature": 0, "prompt_logprobs": likeliest}
    said = _ask(socket, ANSWER_TIMEOUT_S, "POST", "/v1/completions", asked).json()
    places = said["choices"][0]["prompt_logprobs"][1:]
    return [{int(token): _number(scored["logprob"]) for token, scored in place.items()} for place in places]


def answer_to(socket: Path, name: str, question: dict[str, Any]) -> str:
    """The likeliest answer to a raw prompt (`prompt`) or a conversation (`messages`)."""
    path = "/v1/completions" if "prompt" in question else "/v1/chat/completions"
    said = _ask(socket, ANSWER_TIMEOUT_S, "POST", path, {"model": name, "temperature": 0, **question}).json()
    choice = said["choices"][0]
    text: str = choice["text"] if "prompt" in question else choice["message"]["content"]
    return text


def _number(said: float | None) -> float:
    """JSON has no word for what is no number."""
    return math.nan if said is None else said


def _ask(socket: Path, timeout_s: float, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
    """The engine's answer. Raises EngineRefused, EngineSilent where nobody answers."""
    if not socket.exists():
        raise EngineSilent("The engine does not answer: it has not opened its socket.")
    try:
        with _client(socket, timeout_s) as client:
            answer = client.request(method, path, json=body)
    except httpx.TransportError as error:
        raise EngineSilent(f"The engine does not answer ({type(error).__name__}).") from error
    if answer.status_code == AWAY:
        raise EngineSilent(_sentence(answer))
    if answer.status_code != 200:
        raise EngineRefused(_sentence(answer))
    return answer


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The engine answered {answer.status_code}."


def _client(socket: Path, timeout_s: float) -> httpx.Client:
    # No TLS on a unix socket: without `verify=False` every client would first read the machine's certificates (15 ms).
    transport = httpx.HTTPTransport(uds=str(socket), verify=False)
    return httpx.Client(transport=transport, base_url="http://engine", timeout=timeout_s, trust_env=False)
