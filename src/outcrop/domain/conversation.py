"""What a model reads and writes, free of any family's dialect. Knows nothing of tokens or templates."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Turns, with what was said before them. As a training record, every assistant turn is an answer to learn."""

    messages: tuple[Message, ...]
    system: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A raw prompt and what should follow it, rendered bos, prompt, completion, eos; completion and eos are learnt."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Unlabeled text: rendered bos, text, eos; everything after bos is learnt."""

    text: str


Record = Conversation | Completion | Passage
