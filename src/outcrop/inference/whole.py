"""An answer that is not streamed, as it is heard: its text, and what was asked for beside it. Knows no HTTP."""

from typing import Any

from outcrop.inference import dialect
from outcrop.inference.asking import Progress, Scored
from outcrop.inference.dialect import ChatAsked, CompletionAsked
from outcrop.inference.logprobs import Logprobs, OfText
from outcrop.inference.prompts import Prompts
from outcrop.inference.scheduler import Answer


class Whole:
    """Hears an answer to its end."""

    def __init__(
        self, asked: CompletionAsked | ChatAsked, answer: Answer, prompts: Prompts, said: Logprobs | None
    ) -> None:
        """`said`: how log-probabilities are told; None where they were not asked for."""
        self._asked = asked
        self._answer = answer
        self._prompts = prompts
        self._said = said
        self._texts: list[str] = []
        self._scored: list[tuple[Scored, ...]] = []
        self._echoes = isinstance(asked, CompletionAsked) and asked.echo

    def hear(self, piece: Progress) -> None:
        """The next piece."""
        self._texts.append(piece.text)
        if piece.scored:
            self._scored.append(piece.scored)

    @property
    def text(self) -> str:
        """All of it, behind the prompt as it was sent where that is echoed."""
        return self._echo() + "".join(self._texts)

    def _echo(self) -> str:
        if not self._echoes:
            return ""
        assert isinstance(self._asked, CompletionAsked)
        sent = self._asked.prompt
        return sent if isinstance(sent, str) else self._prompts.spelled_all(sent)

    @property
    def has_extras(self) -> bool:
        """Whether anything was asked for beside the text."""
        return self._said is not None or self._answer.sampling.prompt_logprobs is not None

    def extras(self) -> dict[str, Any]:
        """Members of the choice beside its text. A long prompt has many numbers."""
        found: dict[str, Any] = {}
        if isinstance(self._asked, CompletionAsked) and self._asked.prompt_logprobs is not None:
            found["prompt_logprobs"] = dialect.prompt_logprobs(self._answer.prompt_scores, self._prompts.spelled)
        if self._echoes and isinstance(self._said, OfText):
            places = [*self._answer.prompt_scores, *self._scored]
            found["logprobs"] = self._said.after(self._answer.prompt[:1], places)
        elif self._said is not None:
            found["logprobs"] = self._said(self._scored)
        return found
