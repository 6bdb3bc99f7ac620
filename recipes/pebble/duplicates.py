"""Finds what was said before, or what the lab holds out, by runs of words. Knows no sources and no tokens.

A run is so many words in a row, without case and punctuation, as one 64-bit number: two equal numbers count as equal
runs. Nothing depends on the process (unlike `hash`), so the same texts always lose the same paragraphs.
"""

import re
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pebble.cleaning import paragraphs

# A paragraph is said before when most of its runs of eight words were; it is the lab's when one run of twelve is.
NEAR_RUN, NEAR_SHARE = 8, 0.6
HELD_OUT_RUN = 12
_WORD = re.compile(r"[^\W_]+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
Numbers = NDArray[np.uint64]


class Words:
    """Words as numbers, each computed once."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def numbers(self, text: str) -> list[int]:
        """The words of a text."""
        known, found = self._known, []
        for word in _WORD.findall(text.lower()):
            number = known.get(word)
            if number is None:
                data = word.encode()
                number = known[word] = zlib.crc32(data) << 32 | zlib.adler32(data)
            found.append(number)
        return found


def runs(numbers: Numbers, size: int) -> Numbers:
    """One number for every `size` words in a row; empty where there are fewer."""  # uint64 [words - size + 1]
    count = len(numbers) - size + 1
    if count <= 0:
        return np.zeros(0, dtype=np.uint64)
    total = np.zeros(count, dtype=np.uint64)
    for at in range(size):
        total = (total ^ numbers[at : at + count]) * _MULTIPLIER
        total ^= total >> np.uint64(29)
    return total


def held_out_runs(texts: Iterable[str], words: Words) -> Numbers:
    """The runs of texts that nobody may have read, sorted."""
    found = [runs(np.array(words.numbers(text), dtype=np.uint64), HELD_OUT_RUN) for text in texts]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))


def unsaid(passages: Sequence[str], held_out: Numbers, words: Words) -> list[str]:
    """The passages without paragraphs that an earlier one said nearly so, and without any that quotes the held-out.

    As long as `passages`: a passage of which nothing is left is empty.
    """
    parts = [paragraphs(passage) for passage in passages]
    numbers = [words.numbers(part) for passage in parts for part in passage]
    lengths = np.array([len(part) for part in numbers], dtype=np.int64)
    flat = np.array([number for part in numbers for number in part], dtype=np.uint64)  # uint64 [words]
    owner = np.repeat(np.arange(len(numbers)), lengths)  # which paragraph a word is of
    passage = np.repeat(np.arange(len(parts)), [len(passage) for passage in parts])  # which passage a paragraph is of
    dropped = _said_before(flat, owner, len(numbers)) | _quotes(flat, owner, passage, held_out)
    kept = iter(~dropped)
    return ["\n\n".join(part for part in passage_parts if next(kept)) for passage_parts in parts]


def _said_before(flat: Numbers, owner: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    """Paragraphs most of whose runs stand in an earlier paragraph."""
    found = runs(flat, NEAR_RUN)
    inside = owner[: len(found)] == owner[NEAR_RUN - 1 :][: len(found)]
    found, place = found[inside], owner[: len(found)][inside]
    _, first, back = np.unique(found, return_index=True, return_inverse=True)
    again = place[first][back] != place
    all_runs, said = np.bincount(place, minlength=count), np.bincount(place[again], minlength=count)
    return (all_runs > 0) & (said >= NEAR_SHARE * all_runs)


def _quotes(
    flat: Numbers, owner: NDArray[np.int64], passage: NDArray[np.int64], held_out: Numbers
) -> NDArray[np.bool_]:
    """Paragraphs that have a part in a held-out run, which may go from one into the next."""
    quoting = np.zeros(len(passage), dtype=bool)
    found = runs(flat, HELD_OUT_RUN)
    for start in np.flatnonzero(np.isin(found, held_out)):
        first, last = owner[start], owner[start + HELD_OUT_RUN - 1]
        if passage[first] == passage[last]:
            quoting[first : last + 1] = True
    return quoting
