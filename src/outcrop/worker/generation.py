"""Greedy answers of base and custom model to a job's validation rows, scored against the rows' own answers.

No text leaves this file: what comes out are numbers. Knows no job.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import outcrop.services.runtime.engine as face
from outcrop.services.runtime.served import BASE
from outcrop.worker.gate import Loaded
from outcrop.worker.questions import Question

GENERATION_FILE = "validation_artifacts/generation_metrics.csv"
LONGEST_ANSWER = 256  # tokens
SPARE_TOKENS = 16  # beyond the row's own answer, so that one that goes on is seen to
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How near one answer is to the row's: the same text (but for space around it) or not, and ROUGE-L from 0 to 1."""

    exact_match: bool
    rouge_l: float

    @staticmethod
    def of(answer: str, wanted: str) -> "Score":
        """Both as text."""
        return Score(exact_match=answer.strip() == wanted.strip(), rouge_l=rouge_l(answer, wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One row, counted from 1 in its file."""

    row: int
    base: Score
    custom: Score


def sample(loaded: Loaded, questions: Sequence[Question], check: Callable[[], None]) -> list[Scored]:
    """Both models' scores. A row without an answer, and one whose prompt leaves an engine no room, is left out.

    `check` is called before each question, from several threads; what it raises ends the sampling.
    """
    asked = [(number, question) for number, question in enumerate(questions, start=1) if question.answer is not None]

    def answer(of: tuple[str, Question]) -> str | None:
        check()
        return _answer(loaded, *of)

    every = [(name, question) for name in (BASE, loaded.name) for _, question in asked]
    answers = loaded.side_by_side(answer, every)
    found = []
    for (number, question), base, custom in zip(asked, answers[: len(asked)], answers[len(asked) :], strict=True):
        if base is not None and custom is not None and question.answer is not None:
            scores = Score.of(base, question.answer), Score.of(custom, question.answer)
            found.append(Scored(row=number, base=scores[0], custom=scores[1]))
    return found


def as_csv(rows: Sequence[Scored]) -> bytes:
    """One line a row: numbers only."""
    lines = [
        f"{row.row},{row.base.exact_match:d},{row.custom.exact_match:d},{row.base.rouge_l:.6f},{row.custom.rouge_l:.6f}"
        for row in rows
    ]
    header = "row_number,base_exact_match,custom_exact_match,base_rouge_l,custom_rouge_l"
    return ("\n".join([header, *lines]) + "\n").encode()


def means(rows: Sequence[Scored]) -> dict[str, Any]:
    """What a job's history says of a sample that is not empty."""
    return {
        "rows": len(rows),
        "base_exact_match": fmean(row.base.exact_match for row in rows),
        "custom_exact_match": fmean(row.custom.exact_match for row in rows),
        "base_rouge_l": fmean(row.base.rouge_l for row in rows),
        "custom_rouge_l": fmean(row.custom.rouge_l for row in rows),
    }


def rouge_l(answer: str, wanted: str) -> float:
    """F1 of the longest common subsequence of words (Lin, 2004), whatever their case. Nothing is like nothing."""
    said, meant = _words(answer), _words(wanted)
    if not said or not meant:
        return float(said == meant)
    return 2 * _common(said, meant) / (len(said) + len(meant))


def _answer(loaded: Loaded, name: str, question: Question) -> str | None:
    """None where the engine refuses this question alone."""
    assert question.answer is not None, "only rows with an answer are asked"
    tokens = min(LONGEST_ANSWER, SPARE_TOKENS + len(question.answer.encode()))  # a token is a byte at least
    try:
        return face.answer_to(loaded.socket, name, {**question.body, "max_tokens": tokens})
    except face.EngineSilent:
        raise
    except face.EngineRefused:
        return None


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence, a bit for each word of `one` (Crochemore and others, 2001)."""
    places: dict[str, int] = defaultdict(int)
    for at, word in enumerate(one):
        places[word] |= 1 << at
    every = (1 << len(one)) - 1
    unmatched = every
    for word in other:
        matches = unmatched & places.get(word, 0)
        unmatched = ((unmatched + matches) | (unmatched - matches)) & every
    return len(one) - unmatched.bit_count()
