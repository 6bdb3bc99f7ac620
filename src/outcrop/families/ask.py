"""What is asked of a model and what it answers, free of any dialect. Knows nothing of tokens, engines or HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from outcrop.domain.conversation import Conversation

StopCause = Literal["end_turn", "max_tokens", "stop_sequence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the answer is drawn. `temperature` 0 is greedy; None means unused."""

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    logprobs: int | None = None
    """How many of the likeliest tokens are told at each place, with their log-probabilities. None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request. Either `conversation` (rendered with the checkpoint's chat template) or `raw_prompt` is set.

    `prefill` is the text of a trailing assistant turn, which is left out of `conversation`: the answer goes on from it.
    """

    conversation: Conversation | None = None
    raw_prompt: str | None = None
    sampling: Sampling
    prefill: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, whole. `raw` repeats that a raw prompt was asked. A stream's end carries its whole text too.

    `logprobs`: as OpenAI's dialect says them, where they were asked for and the answer was not streamed.
    """

    text: str
    stop: StopCause
    stop_sequence: str | None = None
    input_tokens: int
    output_tokens: int
    raw: bool = False
    logprobs: Any = None


class StreamDialect(Protocol):
    """One streamed answer, as chunks of the family's own JSON."""

    def start(self, input_tokens: int) -> list[dict[str, Any]]:
        """What goes out before the first text."""

    def delta(self, text: str, output_tokens: int) -> list[dict[str, Any]]:
        """A piece of text, and how many tokens were said with it in all."""

    def end(self, answer: Answer, metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What closes the stream; the last chunk carries `metrics` under `amazon-bedrock-invocationMetrics`."""


def with_trailer(chunk: dict[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The last chunk of a stream, with what the call cost."""
    return {**chunk, "amazon-bedrock-invocationMetrics": dict(metrics)}
