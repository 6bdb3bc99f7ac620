"""Log-probabilities of tokens as OpenAI's two dialects say them. Knows no tensor; a token's bytes come from outside.

The end token is not among them, and those of a stop string are: each token that was chosen is said with its own text.
"""

from collections.abc import Callable, Sequence
from typing import Any

from outcrop.inference.asking import Scored

Places = Sequence[Sequence[Scored]]
"""At each place the token that stands there, then the likeliest others; nothing for a prompt's first token."""
Logprobs = Callable[[Places], dict[str, Any]]
Spell = Callable[[int], bytes]


def of_chat(spell: Spell, likeliest: int) -> Logprobs:
    """As chat completions say them, with so many of the likeliest."""

    def said(scored: Scored) -> dict[str, Any]:
        own = spell(scored.token)
        return {"token": _text(own), "logprob": scored.logprob, "bytes": list(own)}

    def all_said(places: Places) -> dict[str, Any]:
        content = [{**said(place[0]), "top_logprobs": [*map(said, _ranked(place)[:likeliest])]} for place in places]
        return {"content": content, "refusal": None}

    return all_said


class OfText:
    """As completions say them: four lists. Offsets go on from one piece of a stream to the next."""

    def __init__(self, spell: Spell, likeliest: int) -> None:
        self._spell = spell
        self._likeliest = likeliest
        self._offset = 0

    def __call__(self, places: Places) -> dict[str, Any]:
        """What is said of the next tokens."""
        return self.after([], places)

    def after(self, unscored: Sequence[int], places: Places) -> dict[str, Any]:
        """The same, behind tokens of which nothing is known: a prompt's first."""
        texts = [_text(self._spell(token)) for token in (*unscored, *(own.token for own, *_ in places))]
        nothing = [None] * len(unscored)
        return {
            "tokens": texts,
            "token_logprobs": [*nothing, *(own.logprob for own, *_ in places)],
            "top_logprobs": [*nothing, *map(self._top, places)] if self._likeliest else None,
            "text_offset": [self._next(text) for text in texts],
        }

    def _top(self, place: Sequence[Scored]) -> dict[str, float]:
        """The likeliest and the one there: of two that are spelled alike, the likelier."""
        found: dict[str, float] = {}
        for scored in _ranked(place):
            found.setdefault(_text(self._spell(scored.token)), scored.logprob)
        return found

    def _next(self, text: str) -> int:
        here = self._offset
        self._offset += len(text)
        return here


def _ranked(place: Sequence[Scored]) -> list[Scored]:
    return sorted(place, key=lambda one: one.rank)


def _text(spelled: bytes) -> str:
    """A part of a character is told as U+FFFD; its bytes tell the rest."""
    return spelled.decode(errors="replace")
