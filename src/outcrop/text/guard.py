"""Keeps what people wrote from turning into control tokens on its way through a chat template.

A special token spelled in a message is replaced by one private-use character before the template is rendered, and put
back when the pieces between the template's own special tokens are encoded as plain text. Knows nothing of templates.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# Plane 16's private use: assigned to nobody, and no special token of any vocabulary we know of holds one.
_FIRST_STAND_IN = 0x10F000


class Guard:
    """Built from a vocabulary's special tokens: spelling to id."""

    def __init__(self, special: Mapping[str, int]) -> None:
        self._special = dict(special)
        longest_first = sorted((text for text in special if text), key=len, reverse=True)
        self._spelled = _any_of(longest_first)
        self._stand_ins = {text: chr(_FIRST_STAND_IN + at) for at, text in enumerate(longest_first)}
        self._originals = {stand_in: text for text, stand_in in self._stand_ins.items()}
        self._standing = _any_of(list(self._originals))

    def messages(self, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The messages with every special token that their texts spell replaced."""
        return [{key: self._hide(value) for key, value in message.items()} for message in messages]

    def stands_in(self, rendered: str) -> bool:
        """Whether a rendered text holds anything that was replaced."""
        return self._standing.search(rendered) is not None

    def split(self, rendered: str) -> Iterator[tuple[int | None, str]]:
        """The special tokens of the template (id, spelling), and the plain text between them (None, text)."""
        done = 0
        for found in self._spelled.finditer(rendered):
            if found.start() > done:
                yield None, self._show(rendered[done : found.start()])
            yield self._special[found.group()], found.group()
            done = found.end()
        if done < len(rendered):
            yield None, self._show(rendered[done:])

    def special_spans(self, rendered: str, start: int) -> list[tuple[int, int]]:
        """Id and end of every special token from `start` on."""
        return [(self._special[found.group()], found.end()) for found in self._spelled.finditer(rendered, start)]

    def special_at_end(self, text: str) -> str | None:
        """The special token that `text` ends with."""
        return next((special for special in self._stand_ins if text.endswith(special)), None)

    def _hide(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._spelled.sub(lambda found: self._stand_ins[found.group()], value)
        if isinstance(value, list):
            return [self._hide(item) for item in value]
        if isinstance(value, dict):
            return {key: self._hide(item) for key, item in value.items()}
        return value

    def _show(self, text: str) -> str:
        return self._standing.sub(lambda found: self._originals[found.group()], text)


def _any_of(texts: list[str]) -> re.Pattern[str]:
    # With nothing to look for, a pattern that matches nowhere.
    return re.compile("|".join(re.escape(text) for text in texts) or r"(?!)")
