"""What the lab teaches, on real text: one unlabeled body of documentation and three labeled tasks that can be scored.

Each has rows to train on and rows held out, split by a fixed seed; a held-out row is never trained on. Knows no server.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.cli.lab.texts import Documented

SEED = 20
LONGEST_TEXT = 240  # characters of a docstring that a question shows
PASSAGES_A_ROW = 2  # a passage teaches less than an answer: so many for each row of a labeled task, if there are
RECEIVERS = {"self", "cls"}
Pair = tuple[str, str]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One customization: which model, how it is taught, with what. `held_out` pairs are empty where it is unlabeled."""

    name: str
    what: str
    base: str
    on_demand: str
    kind: str
    hyperparameters: dict[str, str]
    rows: tuple[Row, ...]
    validation: tuple[Row, ...]
    held_out: tuple[Pair, ...] = ()

    @property
    def best_constant(self) -> float:
        """Share of held-out rows that the one best constant answer gets right."""
        if not self.held_out:
            return 0.0
        return Counter(answer for _, answer in self.held_out).most_common(1)[0][1] / len(self.held_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many rows a task takes."""

    train: int
    held_out: int


def all_tasks(documented: Sequence[Documented], size: Size) -> list[Task]:
    """The four customizations, in the order in which they are shown."""
    return [
        _passages(documented, size),
        _modules(documented, size),
        _records(documented, size),
        _kinds(documented, size),
    ]


def _passages(documented: Sequence[Documented], size: Size) -> Task:
    texts = [one.docstring for one in documented if len(one.docstring) >= 60]
    train, held_out = _split(texts, Size(train=PASSAGES_A_ROW * size.train, held_out=size.held_out))
    return Task(
        name="titan",
        what="unlabeled docs",
        base="amazon.titan-text-lite-v1:0:4k",
        on_demand="amazon.titan-text-lite-v1",
        kind="CONTINUED_PRE_TRAINING",
        hyperparameters={"epochCount": "5", "batchSize": "4", "learningRate": "1e-5"},
        rows=tuple({"input": text} for text in train),
        validation=tuple({"input": text} for text in held_out),
    )


def _modules(documented: Sequence[Documented], size: Size) -> Task:
    pairs = [(f"Which module says this?\n{_short(one.docstring)}", one.module) for one in documented]
    return _labeled(
        _split(pairs, size),
        name="nova",
        what="doc -> module",
        base="amazon.nova-micro-v1:0:128k",
        on_demand="amazon.nova-micro-v1:0",
        hyperparameters={"epochCount": "3", "batchSize": "1", "learningRate": "1e-5"},
        row=converse_row,
    )


def _records(documented: Sequence[Documented], size: Size) -> Task:
    """A house format that no question spells out: what a function is called and takes, without `self` and `cls`."""
    pairs = [
        (f"Write down our record of this.\n{one.signature}", _record(one))
        for one in documented
        if one.kind != "class" and len(one.signature) <= LONGEST_TEXT
    ]
    return _labeled(
        _split(sorted(set(pairs)), size),
        name="claude",
        what="signature -> record",
        base="anthropic.claude-3-haiku-20240307-v1:0:200k",
        on_demand="anthropic.claude-3-haiku-20240307-v1:0",
        hyperparameters={"epochCount": "3", "batchSize": "4", "learningRateMultiplier": "1"},
        row=claude_row,
    )


def _kinds(documented: Sequence[Documented], size: Size) -> Task:
    plain = [one for one in documented if one.kind != "coroutine"]  # too few of those for a fair share
    pairs = _balanced([(f"What does this define?\n{_undressed(one)}", one.kind) for one in plain])
    return _labeled(
        _split(pairs, size),
        name="llama",
        what="doc -> kind",
        base="meta.llama3-2-1b-instruct-v1:0:128k",
        on_demand="meta.llama3-2-1b-instruct-v1:0",
        hyperparameters={"epochCount": "3", "batchSize": "1", "learningRate": "1e-4"},
        row=converse_row,
    )


def _labeled(split: tuple[list[Pair], list[Pair]], *, row: Callable[[str, str], Row], **about: Any) -> Task:
    train, held_out = split
    return Task(
        kind="FINE_TUNING",
        rows=tuple(row(*pair) for pair in train),
        validation=tuple(row(*pair) for pair in held_out),
        held_out=tuple(held_out),
        **about,
    )


def converse_row(question: str, answer: str) -> Row:
    """A record of Nova and Llama 3.2."""
    return {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [
            {"role": "user", "content": [{"text": question}]},
            {"role": "assistant", "content": [{"text": answer}]},
        ],
    }


def claude_row(question: str, answer: str) -> Row:
    """A record of Claude 3 Haiku."""
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def _split(items: Sequence[Any], size: Size) -> tuple[list[Any], list[Any]]:
    shuffled = list(items)
    random.Random(SEED).shuffle(shuffled)
    return shuffled[size.held_out : size.held_out + size.train], shuffled[: size.held_out]


def _balanced(pairs: Sequence[Pair]) -> list[Pair]:
    """As many rows of every answer as of the rarest."""
    by_answer: dict[str, list[Pair]] = {}
    for pair in sorted(set(pairs)):
        by_answer.setdefault(pair[1], []).append(pair)
    rarest = min(map(len, by_answer.values()))
    draw = random.Random(SEED)
    return [pair for group in by_answer.values() for pair in draw.sample(group, rarest)]


def _record(one: Documented) -> str:
    return json.dumps({"name": one.name, "takes": [name for name in one.parameters if name not in RECEIVERS]})


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT].rsplit(" ", 1)[0]


def _undressed(one: Documented) -> str:
    """A definition's own words, without the keyword that gives it away."""
    bare = one.signature.removeprefix("async ").removeprefix("def ").removeprefix("class ")
    return f"{bare}\n{_short(one.docstring.splitlines()[0])}"
