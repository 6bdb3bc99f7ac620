"""One vLLM server, asked over HTTP in its own words. Knows nothing of prompts, of names here, or of processes."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from outcrop.domain.errors import OutcropError
from outcrop.inference.shelf import ModelsAway

HEALTH_TIMEOUT_S = 5.0
LOAD_TIMEOUT_S = 600.0
ANSWER_TIMEOUT_S = 600.0  # longest silence: the prompt's work behind others' answers
CONNECT_TIMEOUT_S = 5.0
KEPT_OPEN_S = 2.0  # vLLM closes an idle connection after 5 s: it must not be asked over one in that moment
UNIX = "unix:"
LOAD = "/v1/load_lora_adapter"
UNLOAD = "/v1/unload_lora_adapter"
COMPLETIONS = "/v1/completions"
MISSING = 404
LONGEST_SENTENCE = 400  # of what it says; the rest is in its own log
Body = dict[str, Any]


class PeerLost(ModelsAway):
    """Nobody answers there any more, or it does not have what it was given."""


class PeerRefused(OutcropError):
    """It does not do what it was asked; `status` is its own."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A model that it offers. `parent` is set for an adapter."""

    name: str
    parent: str | None
    context_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`http(s)://...`, or `unix:` and a socket's path; with the key that it wants, if it wants one."""

    url: str
    key: str | None = None

    def base_url(self) -> str:
        """What requests begin with."""
        return "http://vllm" if self.socket else self.url.rstrip("/")

    @property
    def socket(self) -> str | None:
        """The socket's path, where it is one."""
        return self.url.removeprefix(UNIX) if self.url.startswith(UNIX) else None

    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


class Peer:
    """Calls that block are for threads, and for before there is a loop; `whole` and `stream` are for the loop."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._client: httpx.AsyncClient | None = None

    def healthy(self) -> bool:
        """Whether it answers, and can."""
        try:
            return self._ask("GET", "/health", None, HEALTH_TIMEOUT_S).status_code == httpx.codes.OK
        except PeerLost:
            return False

    def cards(self) -> list[Card]:
        """What it offers. Raises PeerLost or PeerRefused."""
        said = _good(self._ask("GET", "/v1/models", None, HEALTH_TIMEOUT_S)).json()
        return [_card(entry) for entry in said["data"]]

    def tokens_of(self, model: str, text: str) -> list[int]:
        """How it splits a text, nothing put before or after. Raises PeerLost or PeerRefused."""
        asked = {"model": model, "prompt": text, "add_special_tokens": False}
        tokens: list[int] = _good(self._ask("POST", "/tokenize", asked, HEALTH_TIMEOUT_S)).json()["tokens"]
        return tokens

    def load(self, name: str, folder: Path) -> None:
        """Read an adapter's folder. Raises PeerLost or PeerRefused."""
        _good(self._ask("POST", LOAD, {"lora_name": name, "lora_path": str(folder)}, LOAD_TIMEOUT_S))

    def unload(self, name: str) -> None:
        """Forget an adapter's name. Raises PeerLost or PeerRefused."""
        _good(self._ask("POST", UNLOAD, {"lora_name": name}, LOAD_TIMEOUT_S))

    def loads_adapters(self) -> bool:
        """Whether it takes adapters while it runs. Raises PeerLost."""
        return self._ask("POST", LOAD, {"lora_name": "", "lora_path": ""}, HEALTH_TIMEOUT_S).status_code != MISSING

    def touch(self, name: str) -> None:
        """Use a model once, so that it is the last one to be let go. Raises PeerLost or PeerRefused."""
        _good(self._ask("POST", COMPLETIONS, {"model": name, "prompt": [0], "max_tokens": 1}, ANSWER_TIMEOUT_S))

    async def whole(self, body: Body) -> Body:
        """A completion in one piece. Raises PeerLost or PeerRefused."""
        with _told():
            answer = await self._on_loop().post(COMPLETIONS, json=body)
        said: Body = _good(answer).json()
        return said

    @asynccontextmanager
    async def stream(self, body: Body) -> AsyncGenerator[AsyncIterator[Body], None]:
        """A completion's events; to leave is to hang up. Raises PeerLost or PeerRefused."""
        with _told():
            async with self._on_loop().stream("POST", COMPLETIONS, json={**body, "stream": True}) as answer:
                if answer.status_code != httpx.codes.OK:
                    await answer.aread()
                    _good(answer)
                yield _events(answer)

    async def close(self) -> None:
        """Give every connection back."""
        if self._client is not None:
            await self._client.aclose()

    def _on_loop(self) -> httpx.AsyncClient:
        if self._client is None:
            transport = httpx.AsyncHTTPTransport(
                uds=self.address.socket,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=KEPT_OPEN_S),
            )
            self._client = httpx.AsyncClient(
                transport=transport,
                base_url=self.address.base_url(),
                headers=self.address.headers(),
                timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
                trust_env=False,
            )
        return self._client

    def _ask(self, method: str, path: str, body: Body | None, timeout_s: float) -> httpx.Response:
        here = self.address.socket is not None  # no TLS on a unix socket: no need to read certificates (15 ms)
        transport = httpx.HTTPTransport(uds=self.address.socket, verify=not here)
        client = httpx.Client(
            transport=transport,
            base_url=self.address.base_url(),
            headers=self.address.headers(),
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            trust_env=False,
        )
        with _told(), client:
            return client.request(method, path, json=body)


class _told:
    """What the library raises, as what it means here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, httpx.TransportError):
            raise PeerLost(f"vLLM does not answer ({type(error).__name__})") from error


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != httpx.codes.OK:
        raise PeerRefused(answer.status_code, _sentence(answer))
    return answer


def _sentence(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])[:LONGEST_SENTENCE]
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status_code}"


def _card(entry: Body) -> Card:
    return Card(name=entry["id"], parent=entry.get("parent"), context_tokens=entry.get("max_model_len"))


async def _events(answer: httpx.Response) -> AsyncIterator[Body]:
    async for line in answer.aiter_lines():
        if not line.startswith("data: {"):  # empty, or the end's [DONE]
            continue
        event = json.loads(line.removeprefix("data: "))
        if "error" in event:
            raise PeerRefused(500, str(event["error"].get("message"))[:LONGEST_SENTENCE])
        yield event
