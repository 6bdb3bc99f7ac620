"""Token rows to learn from, endlessly: passages, lessons and bare repetitions, in fixed shares. Knows no model.

The whole stream follows from a seed and counters: a round's order from the round's number, a block of lessons from the
block's. So a place in it is a few integers, which a checkpoint can keep.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pebble.corpus import Corpus, read_corpus, spread
from pebble.lessons import Lessons
from pebble.prompts import Part
from pebble.tokenizer import BOS, EOS, SPECIAL

__all__ = ["Corpus", "Material", "Row", "read_corpus"]

# Shares of the tokens seen: text, so that it writes sentences; lessons, so that it can be taught; and repetitions of
# random tokens, without which copying comes late.
TEXT_SHARE, LESSON_SHARE, REPETITION_SHARE = 0.72, 0.23, 0.05
# Mostly short pieces, since attention's cost grows with length; some long ones, so that far positions are known.
PIECE_TOKENS, LONG_PIECE_TOKENS, LONG_SHARE = 160, 512, 0.25
# A lesson longer than this is left out: it would not fit a piece.
MOST_LESSON_TOKENS = LONG_PIECE_TOKENS
SHORTEST_REPETITION, LONGEST_REPETITION = 4, 60  # tokens, before they are said again
# Lessons are encoded so many at a time: one call of the tokenizer costs as much as encoding twenty tokens.
BLOCK_LESSONS = 64
KINDS = ("text", "lesson", "repetition")
Flat = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids, and which of them are predicted for the loss (never the first)."""

    ids: torch.Tensor  # int64 [n]
    trained: torch.Tensor  # bool [n]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the stream is: tokens seen of each kind; the round and the piece in it, early and late; block and lesson;
    repetitions."""

    text_tokens: int = 0
    lesson_tokens: int = 0
    repetition_tokens: int = 0
    round: int = 0
    piece: int = 0
    late_round: int = 0
    late_piece: int = 0
    block: int = 0
    lesson: int = 0
    repetition: int = 0


class Material:
    """An endless, seeded stream of rows, which `state` and `restore` continue exactly."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, seed: int) -> None:
        self._corpus, self._tokenizer, self._seed = corpus, tokenizer, seed
        self._bos, self._eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
        self._vocabulary = range(len(SPECIAL), tokenizer.get_vocab_size())
        self._texts = _encoded(corpus, tokenizer)
        self._place = Place()
        self._round: tuple[tuple[int, bool], list[tuple[int, int, int]]] | None = None
        self._block: tuple[int, list[Row]] | None = None

    def batches(self, tokens: int, is_late: Callable[[], bool] = lambda: False) -> Iterator[list[Row]]:
        """Lists of rows of about `tokens` tokens in all, the three kinds in their shares.

        From a batch on before which `is_late` answers True, rounds go through the sources as often as is said for late.
        """
        while True:
            batch: list[Row] = []
            size, late = 0, is_late()
            while size < tokens:
                row = self._next(late)
                batch.append(row)
                size += len(row.ids)
            yield batch

    def state(self) -> dict[str, int]:
        """Where the stream is after the last batch that was taken, for JSON."""
        return {"seed": self._seed, **asdict(self._place)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on exactly where `state` was taken, given the same corpus, tokenizer and seed.

        Raises ValueError where the state is of another seed.
        """
        counters = dict(state)
        if counters.pop("seed") != self._seed:
            raise ValueError(f"the state is of a stream with the seed {state['seed']}, this one has {self._seed}")
        self._place = Place(**counters)

    def _next(self, late: bool) -> Row:
        """A row of the kind that is furthest behind its share."""
        place = self._place
        seen = (place.text_tokens, place.lesson_tokens, place.repetition_tokens)
        shares = (TEXT_SHARE, LESSON_SHARE, REPETITION_SHARE)
        behind = min(range(len(KINDS)), key=lambda kind: seen[kind] / shares[kind])
        row = (lambda: self._passage(late), self._lesson, self._repetition)[behind]()
        counted = f"{KINDS[behind]}_tokens"
        self._place = replace(self._place, **{counted: seen[behind] + len(row.ids)})
        return row

    # Text

    def _passage(self, late: bool) -> Row:
        place = self._place
        number, piece = (place.late_round, place.late_piece) if late else (place.round, place.piece)
        pieces = self._pieces(number, late)
        text, start, end = pieces[piece]
        number, piece = (number + 1, 0) if piece + 1 == len(pieces) else (number, piece + 1)
        if late:
            self._place = replace(place, late_round=number, late_piece=piece)
        else:
            self._place = replace(place, round=number, piece=piece)
        return self._text_row(self._texts[text], start, end)

    def _text_row(self, ids: Flat, start: int, end: int) -> Row:
        """A piece of a passage behind the token of beginning; only the passage's end is followed by the end token."""
        parts = [[self._bos], ids[start:end], [self._eos] if end == len(ids) else []]
        trained = np.ones(sum(map(len, parts)), dtype=bool)
        trained[0] = False
        return _row(np.concatenate(parts).astype(np.int64), trained)

    def _pieces(self, number: int, late: bool) -> list[tuple[int, int, int]]:
        """Passage, start and end of every piece of a round, in that round's order."""
        if self._round is None or self._round[0] != (number, late):
            chance = random.Random(f"{self._seed} {'late ' * late}round {number}")
            chosen = self._passages_of(number, late)
            pieces = [piece for at in chosen for piece in _cut(at, len(self._texts[at]), chance)]
            chance.shuffle(pieces)
            self._round = (number, late), pieces
        return self._round[1]

    def _passages_of(self, number: int, late: bool) -> Iterator[int]:
        """Which passages a round sees: a source of a quarter pass shows another quarter each round."""
        start = 0
        for text in self._corpus.texts:
            whole = range(start, start + len(text.passages))
            yield from spread(whole, text.source.late_passes if late else text.source.passes, number)
            start = whole.stop

    # Lessons

    def _lesson(self) -> Row:
        rows = self._lessons(self._place.block)
        row = rows[self._place.lesson]
        is_last = self._place.lesson + 1 == len(rows)
        self._place = replace(
            self._place,
            block=self._place.block + is_last,
            lesson=0 if is_last else self._place.lesson + 1,
        )
        return row

    def _lessons(self, number: int) -> list[Row]:
        if self._block is None or self._block[0] != number:
            lessons = Lessons(random.Random(f"{self._seed} block {number}"), self._corpus.pool, self._corpus.documented)
            made = [lessons.next() for _ in range(BLOCK_LESSONS)]
            self._block = number, [row for row in rows_of(self._tokenizer, made) if len(row.ids) <= MOST_LESSON_TOKENS]
        return self._block[1]

    # Repetitions

    def _repetition(self) -> Row:
        """Random tokens twice over: predicting the second half is copying, and nothing else."""
        number = self._place.repetition
        self._place = replace(self._place, repetition=number + 1)
        chance = np.random.default_rng((self._seed, number))
        size = int(chance.integers(SHORTEST_REPETITION, LONGEST_REPETITION + 1))
        ids = chance.integers(self._vocabulary.start, self._vocabulary.stop, size)
        trained = np.arange(2 * size + 2) > size + 1
        trained[0] = False
        return _row(np.concatenate([[self._bos], ids, ids, [self._eos]]), trained)


def rows_of(tokenizer: Tokenizer, lessons: list[list[Part]]) -> Iterator[Row]:
    """Each lesson's parts as one row; parts are encoded apart, as the program encodes prompts and answers."""
    encodings = iter(tokenizer.encode_batch_fast([text for parts in lessons for text, _ in parts]))
    for parts in lessons:
        ids: list[int] = []
        trained: list[bool] = []
        for _, learnt in parts:
            found = next(encodings).ids
            ids += found
            trained += [learnt] * len(found)
        yield _row(np.array(ids, dtype=np.int64), np.array(trained))


def _encoded(corpus: Corpus, tokenizer: Tokenizer) -> list[Flat]:
    """The tokens of every passage, in the order of the corpus: a special token spelled in a text is only text."""
    before = tokenizer.encode_special_tokens
    tokenizer.encode_special_tokens = True
    try:
        return [np.array(one.ids, dtype=np.uint16) for one in tokenizer.encode_batch_fast(corpus.passages)]
    finally:
        tokenizer.encode_special_tokens = before


def _cut(passage: int, size: int, chance: random.Random) -> Iterator[tuple[int, int, int]]:
    """A passage in pieces, cut anew each round."""
    start = 0
    while start < size:
        end = min(size, start + (LONG_PIECE_TOKENS if chance.random() < LONG_SHARE else PIECE_TOKENS))
        yield passage, start, end
        start = end


def _row(ids: Flat, trained: NDArray[np.bool_]) -> Row:
    return Row(torch.from_numpy(ids), torch.from_numpy(trained))
