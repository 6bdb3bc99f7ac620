"""Token rows to learn from, endlessly: standard-library text, tasks made from it, and exercises. Knows no model."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from tokenizers import Tokenizer

from pebble import sources
from pebble.exercises import Exercise, Words, exercise
from pebble.tokenizer import BOS, EOS

# What share of the tokens seen is plain text; the rest are conversations, completions and bare repetitions.
TEXT_SHARE = 0.4
# Mostly short pieces, since attention's cost grows with length; some long ones, so that far positions are known.
PIECE_TOKENS, LONG_PIECE_TOKENS, LONG_SHARE = 160, 512, 0.1
SYSTEMS = ("You are a helpful assistant.", "Answer briefly.", "You know Python.", "Answer with the answer alone.")
RAW_FORMS = (
    "{}\n",
    "Question: {}\nAnswer:",
    "Q: {}\nA:",
    "{}\n\n",
    "User: {}\nBot:",
    "{} ",
    "Instruction: {}\nResponse:",
)


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids, and which of them are predicted for the loss (never the first)."""

    ids: torch.Tensor  # int64 [n]
    trained: torch.Tensor  # bool [n]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Standard-library text and what can be asked about it."""

    passages: list[str]
    documented: list[sources.Documented]
    pool: list[str]


def read_corpus(every: int = 1) -> Corpus:
    """Everything the pebble may read, or every nth module of it: the held-out modules are never opened."""
    passages, found = sources.topics(), []
    for module, text in islice(sources.sources(sources.held_out_modules()), 0, None, every):
        described = list(sources.documented(module, text))
        passages.extend(one.docstring for one in described)
        passages.append(sources.module_docstring(text) or "")
        passages.append(text)
        found.extend(described)
    words = set(re.findall(r"\b[a-z]{3,10}\b", " ".join(one.docstring + one.signature for one in found)))
    return Corpus([passage for passage in passages if passage.strip()], found, sorted(words))


class Material:
    """An endless, seeded stream of rows."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, seed: int) -> None:
        self._chance = random.Random(seed)
        self._corpus, self._tokenizer = corpus, tokenizer
        self._words = Words(self._chance, corpus.pool)
        self._bos, self._eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)

    def batches(self, tokens: int) -> Iterator[list[Row]]:
        """Lists of rows of about `tokens` tokens in all, TEXT_SHARE of them text."""
        passages, lessons = self._passages(), self._lessons()
        seen_text = seen = 0
        while True:
            batch: list[Row] = []
            size = 0
            while size < tokens:
                is_text = seen_text < TEXT_SHARE * seen
                row = next(passages if is_text else lessons)
                batch.append(row)
                size, seen, seen_text = size + len(row.ids), seen + len(row.ids), seen_text + is_text * len(row.ids)
            yield batch

    def _passages(self) -> Iterator[Row]:
        """Every passage in a new order each round, cut into pieces."""
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(self._corpus.passages)]
        while True:
            pieces = [piece for ids in encoded for piece in self._pieces(ids)]
            self._chance.shuffle(pieces)
            yield from (_row(ids, [False] + [True] * (len(ids) - 1)) for ids in pieces)

    def _pieces(self, ids: list[int]) -> Iterator[list[int]]:
        """The passage in pieces, cut anew each round; only its end is followed by the end token."""
        start = 0
        while start < len(ids):
            end = start + (LONG_PIECE_TOKENS if self._chance.random() < LONG_SHARE else PIECE_TOKENS)
            yield [self._bos, *ids[start:end], *([self._eos] if end >= len(ids) else [])]
            start = end

    def _lessons(self) -> Iterator[Row]:
        forms = (self._chat, self._raw, self._many_raw, self._repetition)
        while True:
            yield self._chance.choices(forms, (38, 28, 10, 24))[0]()

    def _lesson(self) -> Exercise:
        return exercise(self._words) if self._chance.random() < 0.8 else self._about_library()

    def _chat(self) -> Row:
        """One to four turns in the chat template's form; answers are learnt."""
        parts = [("<|bos|>", False)]
        if self._chance.random() < 0.3:
            parts.append((f"<|system|>{self._chance.choice(SYSTEMS)}{EOS}", False))
        for _ in range(self._chance.choice((1, 1, 2, 3, 4))):
            lesson = self._lesson()
            parts += [(f"<|user|>{lesson.question}{EOS}<|assistant|>", False), (lesson.answer + EOS, True)]
        return self._joined(parts)

    def _raw(self) -> Row:
        """A bare prompt and its completion, ended."""
        lesson, form = self._lesson(), self._chance.choice(RAW_FORMS)
        answer = (" " if form[-1] == ":" else "") + lesson.answer
        return self._joined([("<|bos|>" + form.format(lesson.question), False), (answer + EOS, True)])

    def _many_raw(self) -> Row:
        """Examples of one form after another: few-shot, with only the answers learnt."""
        form = self._chance.choice(RAW_FORMS[:3])
        parts = [("<|bos|>", False)]
        for _ in range(self._chance.randint(2, 4)):
            lesson = self._lesson()
            answer = (" " if form[-1] == ":" else "") + lesson.answer
            parts += [(form.format(lesson.question), False), (answer, True), ("\n\n", True)]
        return self._joined([*parts[:-1], (EOS, True)])

    def _repetition(self) -> Row:
        """Random tokens twice over: predicting the second half is copying, and nothing else."""
        size = self._chance.randint(4, 60)
        ids = [self._chance.randrange(6, self._tokenizer.get_vocab_size()) for _ in range(size)]
        return _row([self._bos, *ids, *ids, self._eos], [False] * (size + 2) + [True] * size)

    def _about_library(self) -> Exercise:
        """What the library's own text can be asked: parameters, summary, names."""
        one = self._chance.choice(self._corpus.documented)
        summary = one.docstring.strip().split("\n\n")[0][:300]
        kind = self._chance.randrange(4)
        if kind == 0 and one.parameters:
            order = self._chance.choice(("Parameters as JSON: {}", "{}\nList the parameter names as JSON."))
            return Exercise(order.format(one.signature), str(list(one.parameters)).replace("'", '"'))
        if kind == 1:
            return Exercise(f"What does this do?\n{one.source[:500]}", summary)
        if kind == 2:
            return Exercise(f"What is {one.module}.{one.name}?", summary)
        return Exercise(f"Name what this describes: {one.signature}\n{summary}", one.name)

    def _joined(self, parts: list[tuple[str, bool]]) -> Row:
        ids: list[int] = []
        trained: list[bool] = []
        for encoding, (_, learnt) in zip(self._tokenizer.encode_batch([text for text, _ in parts]), parts, strict=True):
            ids += encoding.ids
            trained += [learnt] * len(encoding.ids)
        return _row(ids, trained)


def _row(ids: list[int], trained: list[bool]) -> Row:
    return Row(torch.tensor(ids), torch.tensor(trained))
