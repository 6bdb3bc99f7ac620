"""Bodies of answers, whole and in chunks. Knows nothing of how an answer comes about."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from outcrop.families import Answer

_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


class Reply(Protocol):
    """One answer's bodies."""

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The answer in one piece."""

    def opening(self) -> list[dict[str, Any]]:
        """The choices of the chunks before the first text."""

    def text(self, piece: str, logprobs: Any = None) -> dict[str, Any]:
        """The choice of a chunk of text, with what is said of its tokens where that was asked for."""

    def ending(self, answer: Answer) -> dict[str, Any]:
        """The choice of the last chunk, which says why it ended."""

    def chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """A chunk of a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What every body of an answer repeats. `created` is in whole seconds since 1970."""

    id: str
    created: int
    model: str

    def body(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """A body of this answer."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply(_About):
    """Of `/v1/chat/completions`."""

    PREFIX: ClassVar[str] = "chatcmpl-"

    def whole(self, answer: Answer) -> dict[str, Any]:
        """A message."""
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = _choice({"message": message}, answer, answer.logprobs)
        return {**self.body("chat.completion", [choice]), "usage": usage(answer)}

    def opening(self) -> list[dict[str, Any]]:
        """Who speaks."""
        return [_choice({"delta": {"role": "assistant", "content": "", "refusal": None}})]

    def text(self, piece: str, logprobs: Any = None) -> dict[str, Any]:
        """More of the message."""
        return _choice({"delta": {"content": piece}}, logprobs=logprobs)

    def ending(self, answer: Answer) -> dict[str, Any]:
        """Nothing more."""
        return _choice({"delta": {}}, answer)

    def chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """A chunk."""
        return self.body("chat.completion.chunk", choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReply(_About):
    """Of `/v1/completions`, whose chunks look like its whole."""

    PREFIX: ClassVar[str] = "cmpl-"

    def whole(self, answer: Answer) -> dict[str, Any]:
        """What follows the prompt."""
        return {**self.chunk([_choice({"text": answer.text}, answer, answer.logprobs)]), "usage": usage(answer)}

    def opening(self) -> list[dict[str, Any]]:
        """Nothing comes before the text."""
        return []

    def text(self, piece: str, logprobs: Any = None) -> dict[str, Any]:
        """More of it."""
        return _choice({"text": piece}, logprobs=logprobs)

    def ending(self, answer: Answer) -> dict[str, Any]:
        """Nothing more."""
        return _choice({"text": ""}, answer)

    def chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """A chunk."""
        return self.body("text_completion", choices)


def usage(answer: Answer) -> dict[str, int]:
    """Tokens that went through the model; an end token counts."""
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    }


def _choice(said: dict[str, Any], answer: Answer | None = None, logprobs: Any = None) -> dict[str, Any]:
    finish = None if answer is None else _FINISH[answer.stop]
    return {"index": 0, **said, "logprobs": logprobs, "finish_reason": finish}
