"""The engine dialect: bodies in and out, the subset of OpenAI's and vLLM's that Outcrop uses. Knows no HTTP, no torch.

A member that is not served is refused by name: to ignore it would be to answer another question.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from outcrop.inference.asking import Finish, Progress, Sampling, Scored
from outcrop.inference.logprobs import Logprobs
from outcrop.inference.shelf import BASE

Text = Annotated[str, Meta(min_length=1)]
MOST_LOGPROBS = 20  # vLLM's own limit


class StreamOptions(Struct, forbid_unknown_fields=True):
    """What a stream says besides text: the usage at its end, and with every piece."""

    include_usage: bool = False
    continuous_usage_stats: bool = False


class Asked(Struct, kw_only=True, forbid_unknown_fields=True):
    """What completions and chat completions have in common. Defaults are vLLM's."""

    model: str = BASE
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0.0, le=100.0)] = 1.0
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    top_k: Annotated[int, Meta(ge=-1)] = 0
    seed: Annotated[int, Meta(ge=0)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=8192)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str = ""
    """Whose units the answer is of; empty, or unknown: nobody's."""

    def sampling(self, room: int, seed: int) -> Sampling:
        """With at most `room` tokens, and `seed` where none was asked for."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            max_tokens=min(room, self.max_tokens or room),
            seed=seed if self.seed is None else self.seed,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=max(0, self.top_k),
            stop=tuple(stop for stop in stops if stop),
        )

    @property
    def extras(self) -> StreamOptions:
        """What was asked for besides text."""
        return self.stream_options or StreamOptions()


class ChatMessage(Struct, forbid_unknown_fields=True):
    """One turn, of any role that the template knows."""

    role: str
    content: str


class CompletionAsked(Asked, kw_only=True):
    """`POST /v1/completions`: text, or tokens as they are. With `echo` the prompt is said before the answer."""

    prompt: str | list[int]
    prompt_logprobs: Annotated[int, Meta(ge=0, le=MOST_LOGPROBS)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MOST_LOGPROBS)] | None = None
    echo: bool = False

    def sampling(self, room: int, seed: int) -> Sampling:
        """With at most `room` tokens, and `seed` where none was asked for."""
        of_prompt = self.logprobs if self.echo and self.prompt_logprobs is None else self.prompt_logprobs
        return replace(Asked.sampling(self, room, seed), prompt_logprobs=of_prompt, logprobs=self.logprobs)

    @property
    def whole_only(self) -> str | None:
        """The member, if any, that asks for what is not said in a stream."""
        if self.prompt_logprobs is not None:
            return "prompt_logprobs"
        return "echo" if self.echo else None


class ChatAsked(Asked, kw_only=True):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    logprobs: bool = False
    top_logprobs: Annotated[int, Meta(ge=0, le=MOST_LOGPROBS)] | None = None

    def sampling(self, room: int, seed: int) -> Sampling:
        """With at most `room` tokens, and `seed` where none was asked for. Raises ValueError."""
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true.")
        asked = (self.top_logprobs or 0) if self.logprobs else None
        return replace(Asked.sampling(self, room, seed), logprobs=asked)

    @property
    def whole_only(self) -> str | None:
        """Everything is said in a stream, too."""
        return None


class TokenizeAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /tokenize`: one of the two."""

    prompt: str | UnsetType = UNSET
    messages: list[ChatMessage] | UnsetType = UNSET
    add_generation_prompt: bool = True
    continue_final_message: bool = False


class LoadAsked(Struct, forbid_unknown_fields=True):
    """`POST /v1/load_lora_adapter`: an adapter's folder, or one of whole weights."""

    lora_name: Text
    lora_path: Text


class SharesAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /outcrop/throughput`: units by who bought them, and how many are sold on this machine in all."""

    units: dict[str, Annotated[int, Meta(ge=1)]]
    sold: Annotated[int, Meta(ge=0)]


class EvictableAsked(Struct, kw_only=True, forbid_unknown_fields=True):
    """`POST /outcrop/shelf`: the models that may go where room is needed; all others stay."""

    evictable: list[str]


class UnloadAsked(Struct, forbid_unknown_fields=True):
    """`POST /v1/unload_lora_adapter`."""

    lora_name: Text


class Reply:
    """The bodies of one answer, streamed or whole. `said`: its log-probabilities; None where they are not asked for."""

    def __init__(
        self,
        asked: CompletionAsked | ChatAsked,
        identifier: str,
        created: int,
        prompt_tokens: int,
        said: Logprobs | None = None,
    ) -> None:
        self._chat = isinstance(asked, ChatAsked)
        self._logprobs = said
        self._about = {"id": identifier, "created": created, "model": asked.model}
        self._prompt_tokens = prompt_tokens
        self._counts_always = asked.extras.continuous_usage_stats

    def whole(self, text: str, finish: Finish, output_tokens: int, extras: Mapping[str, Any]) -> dict[str, Any]:
        """The body of an answer that is not streamed; `extras` stand beside its text."""
        said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if self._chat else {"text": text}
        said.update(extras)
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._body(kind, said, finish), "usage": self.usage(output_tokens)}

    def chunk(self, piece: Progress) -> dict[str, Any]:
        """One event of a stream."""
        said: dict[str, Any] = {"delta": {"content": piece.text}} if self._chat else {"text": piece.text}
        if self._logprobs is not None:
            said["logprobs"] = self._logprobs([piece.scored] if piece.scored else [])
        body = self._body("chat.completion.chunk" if self._chat else "text_completion", said, piece.finish)
        return {**body, "usage": self.usage(piece.output_tokens)} if self._counts_always else body

    def last_chunk(self, output_tokens: int) -> dict[str, Any]:
        """The event that says the usage, after all text."""
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return {**self._about, "object": kind, "choices": [], "usage": self.usage(output_tokens)}

    def usage(self, output_tokens: int) -> dict[str, int]:
        """Tokens that went through the model; an end token counts."""
        return {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": self._prompt_tokens + output_tokens,
        }

    def _body(self, kind: str, said: dict[str, Any], finish: Finish | None) -> dict[str, Any]:
        ending = {
            "finish_reason": None if finish is None else finish.reason,
            "stop_reason": None if finish is None else finish.stop_string,
        }
        return {**self._about, "object": kind, "choices": [{"index": 0, **said, **ending}]}


def prompt_logprobs(
    scores: Sequence[Sequence[Scored]], spell: Callable[[int], str]
) -> list[dict[str, dict[str, Any]] | None]:
    """As vLLM says them: nothing for the first token, which follows none; then scored tokens by their ids."""
    return [
        None,
        *(
            {
                str(scored.token): {
                    "logprob": scored.logprob,
                    "rank": scored.rank,
                    "decoded_token": spell(scored.token),
                }
                for scored in place
            }
            for place in scores
        ),
    ]


def error(message: str, kind: str, code: int) -> dict[str, Any]:
    """The body of an error; in a stream, an event of its own."""
    return {"error": {"message": message, "type": kind, "code": code}}


_ENCODER = msgspec.json.Encoder()


def to_json(body: dict[str, Any]) -> bytes:
    """A body's bytes."""
    return _ENCODER.encode(body)


def to_event(body: dict[str, Any]) -> bytes:
    """A body as one server-sent event."""
    return b"data: " + _ENCODER.encode(body) + b"\n\n"


LAST_EVENT = b"data: [DONE]\n\n"
