"""A quick search for reserved words. Knows nothing of records."""

import re
from collections.abc import Sequence


class Words:
    """Searches by the rare character that each word holds, which is found fast: the rest is compared only there."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        by_rare: dict[str, list[str]] = {}
        for word in words:
            rare = next((letter for letter in word if not letter.isalnum() and not letter.isspace()), word[0])
            by_rare.setdefault(rare, []).append(word)
        self._searches = tuple((rare, _pattern(rare, group).search) for rare, group in by_rare.items())

    def are_in(self, text: str) -> bool:
        """Whether the text holds any of the words."""
        for rare, search in self._searches:  # noqa: SIM110 - a loop is faster than a generator
            if rare in text and search(text):
                return True
        return False

    def first_in(self, text: str) -> str | None:
        """The first of the words that the text holds, or None."""
        return next((word for word in self._words if word in text), None)


def _pattern(rare: str, words: Sequence[str]) -> re.Pattern[str]:
    """The rare character, then what must stand before it and behind it."""
    around = []
    for word in words:
        head, _, tail = word.partition(rare)
        around.append(f"(?<={re.escape(head + rare)}){re.escape(tail)}")
    return re.compile(f"{re.escape(rare)}(?:{'|'.join(around)})")
