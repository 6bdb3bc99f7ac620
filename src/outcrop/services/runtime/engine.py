"""What the worker asks of an engine: does it answer, what has it loaded, load this, forget that. Blocks; for threads.

Knows no request of a caller: those go through `client`.
"""

from pathlib import Path

import httpx

from outcrop.domain.errors import OutcropError

HEALTH_TIMEOUT_S = 2.0
LOAD_TIMEOUT_S = 600.0


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


def _ask(socket: Path, timeout_s: float, method: str, path: str, body: dict[str, str] | None) -> httpx.Response:
    """The engine's answer. Raises EngineRefused, EngineSilent where nobody answers."""
    if not socket.exists():
        raise EngineSilent("The engine does not answer: it has not opened its socket.")
    try:
        with _client(socket, timeout_s) as client:
            answer = client.request(method, path, json=body)
    except httpx.TransportError as error:
        raise EngineSilent(f"The engine does not answer ({type(error).__name__}).") from error
    if answer.status_code != 200:
        raise EngineRefused(_sentence(answer))
    return answer


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The engine answered {answer.status_code}."


def _client(socket: Path, timeout_s: float) -> httpx.Client:
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://engine", timeout=timeout_s, trust_env=False
    )
