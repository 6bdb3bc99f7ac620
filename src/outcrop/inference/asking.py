"""What is asked of the engine, and what it says while it answers: plain data. Knows no torch, no HTTP, no tokenizer."""

from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are chosen. Temperature 0 is greedy; `top_k` 0 means all; `top_p` 1 means all."""

    max_tokens: int
    seed: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: tuple[str, ...] = ()
    prompt_logprobs: int | None = None
    """How many of the likeliest tokens are scored at each place of the prompt, beside the one there. None: nothing."""
    logprobs: int | None = None
    """The same at each place of the answer."""

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self.temperature == 0.0 or self.top_k == 1


@dataclass(frozen=True, slots=True)
class Scored:
    """A token that could stand at some place: its log-probability (nats) there, and its rank, 1 the likeliest."""

    token: int
    logprob: float
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How an answer ended. `stop_string` is the one that was met, None at an end token or a limit."""

    reason: FinishReason
    stop_string: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one step added to one answer: text that is safe to send, and its end when it ended.

    `scored`: the token chosen, then the likeliest others; empty where that was not asked for, and of an end token.
    """

    text: str
    output_tokens: int
    finish: Finish | None = None
    scored: tuple[Scored, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The engine failed while it answered; nothing more follows."""

    cause: str


class Writer(Protocol):
    """Turns chosen tokens into text that may be sent."""

    def push(self, token: int) -> tuple[str, str | None]:
        """Text that may be sent after this token, and the stop string that it completed, if any."""
        ...

    def finish(self) -> tuple[str, str | None]:
        """What was held back, once no token follows, and the stop string that it completed, if any."""
        ...


Tokens = Ordered[int]
