"""Decide and absorb: which tokens run in the next step, and what their results mean. Plain Python, no tensor.

Every running answer has a row of the cache and two lengths: the tokens that are known and those that are cached. A
step runs, for each row, the known tokens that are not cached yet (a prompt in pieces, or the one token just chosen)
and, where that reaches the last known token, chooses the next. Prompts and answers need no other distinction.

The cache is a rectangle: rows times the longest answer promised. A request is admitted only if the rectangle stays
within the budget to the end of every answer, so nothing is ever evicted. What a prompt begins with may be kept beside
it (`prefixes.py`): then it is copied to the newcomer's row and counts as cached.
"""

import sys
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from outcrop.inference.asking import Finish, FinishReason, Progress, Sampling, Scored, Tokens, Writer
from outcrop.inference.prefixes import Fill, Keep, Prefixes

NO_BOUND = sys.maxsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one engine may hold at once."""

    rows: int
    cache_tokens: int
    context_tokens: int
    prefill_tokens: int = 512
    """Prompt tokens in one step: bounds how long the answers under way wait for a newcomer's prompt."""


@dataclass(slots=True, kw_only=True, eq=False)
class Answer:
    """One request on its way. `model` is opaque here: answers of one model run side by side; so is `buyer`.

    `version`: of the model's weights; without one nothing of the prompt is kept or found. `reused`: tokens that were
    found.

    `prompt_scores`, and `scores` of the tokens chosen, grow as it runs where they were asked for: whoever runs it adds
    them.
    """

    prompt: Tokens
    sampling: Sampling
    model: Hashable
    writer: Writer
    buyer: str = ""
    version: str = ""
    reused: int = 0
    known: list[int] = field(default_factory=list)
    cached: int = 0
    row: int = -1
    cancelled: bool = False
    prompt_scores: list[tuple[Scored, ...]] = field(default_factory=list)
    scores: list[tuple[Scored, ...]] = field(default_factory=list)
    dice: Random = field(init=False)

    def __post_init__(self) -> None:
        self.known = list(self.prompt)
        self.dice = Random(self.sampling.seed)

    @property
    def output_tokens(self) -> int:
        """Tokens chosen so far, an end token included."""
        return len(self.known) - len(self.prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Tokens of one answer in one step, at positions `start` and on. `chooses`: the next token is to be chosen."""

    answer: Answer
    start: int
    tokens: tuple[int, ...]
    chooses: bool
    draw: float
    """A number in [0, 1) of the answer's own, so that a seed gives the same text in any company."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A row of the cache that takes the place of a free one, so that rows stay together."""

    source: int
    target: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do next: the moves first, then the fills, the spans, those of one model side by side, and the keeps."""

    moves: tuple[Move, ...]
    fills: tuple[Fill, ...]
    spans: tuple[Span, ...]
    keeps: tuple[Keep, ...]
    rows: int
    length: int
    """Rows and positions that the cache must have."""


class Turns(Protocol):
    """Whose turn it is, and who stands still. If anybody stands still, somebody else is here who does not."""

    def look(self, here: Iterable[Answer]) -> None:
        """A step is to be decided for these, in the order in which they came."""

    def next(self, waiting: Sequence[Answer]) -> Answer | None:
        """Who of those that wait should run next; None where all of them stand still."""

    def taken(self, answer: Answer) -> None:
        """It has a row now."""

    def holds_back(self, answer: Answer) -> bool:
        """Whether an answer stands still in this step, and gives its row where another needs it."""

    def most_tokens(self, answer: Answer) -> int:
        """Of an answer in this step; 0: it rests, and keeps its row. Asked once, of those only who could run."""


class FirstCome:
    """First come, first served; nobody stands still."""

    def look(self, here: Iterable[Answer]) -> None:
        """Everybody is welcome."""

    def next(self, waiting: Sequence[Answer]) -> Answer | None:
        """The first."""
        return waiting[0]

    def taken(self, answer: Answer) -> None:
        """Nothing is remembered."""

    def holds_back(self, answer: Answer) -> bool:
        """Never."""
        return False

    def most_tokens(self, answer: Answer) -> int:
        """All that fit."""
        return NO_BOUND


class Scheduler:
    """The answers that wait and those that run."""

    def __init__(
        self,
        limits: Limits,
        end_tokens: frozenset[int],
        turns: Turns | None = None,
        prefixes: Prefixes | None = None,
    ) -> None:
        """`prefixes`: what is kept of prompts; None: nothing."""
        self.limits = limits
        self._prefixes = prefixes or Prefixes(0)
        self._turns = turns or FirstCome()
        self._end_tokens = end_tokens
        self._waiting: deque[Answer] = deque()
        self._running: list[Answer] = []
        self._moves: list[Move] = []
        self._found: dict[Answer, tuple[int, ...]] = {}  # places that are to be copied to a newcomer's row

    @property
    def busy(self) -> bool:
        """Whether anything waits or runs."""
        return bool(self._waiting or self._running)

    def submit(self, answer: Answer) -> None:
        """Queue an answer."""
        self._waiting.append(answer)

    def answers(self) -> list[Answer]:
        """Everything that waits or runs."""
        return [*self._running, *self._waiting]

    def check(self) -> None:
        """Asserts what holds between steps, whatever came. Whoever rests has the time to look."""
        running, limits = self._running, self.limits
        assert [answer.row for answer in running] == list(range(len(running))), "rows in use lie together, in order"
        assert all(0 <= answer.cached < len(answer.known) for answer in running), "each has a token to run"
        assert all(answer.row < 0 and answer.cached == 0 for answer in self._waiting), "who waits holds nothing"
        longest = max((_whole(answer, limits) for answer in running), default=0)
        assert len(running) <= limits.rows, "rows are as promised"
        assert len(running) * longest <= limits.cache_tokens, "the cache holds what was promised to the end"
        assert running or not self._moves, "nothing moves where nothing runs"
        assert self._found.keys() <= set(running), "what was found is for somebody who runs"
        self._prefixes.check()

    def clear(self) -> None:
        """Forget everything: after a failure of the step itself."""
        for answer in self._running:
            answer.row = -1
        self._waiting.clear()
        self._running.clear()
        self._moves.clear()
        self._found.clear()
        self._prefixes.clear()

    def decide(self) -> Step | None:
        """The next step, or None where nothing is to be done."""
        self._drop_cancelled()
        self._turns.look(self.answers())
        self._admit()
        spans = _side_by_side(self._spans())
        if not spans:
            return None
        moves, self._moves = tuple(self._moves), []
        fills = tuple(Fill(answer.row, places) for answer, places in self._found.items())
        self._found.clear()
        kept = max(answer.cached for answer in self._running)  # of those that stand still, too
        length = max(kept, *(span.start + len(span.tokens) for span in spans))
        keeps = tuple(self._keeps(spans))
        return Step(moves=moves, fills=fills, spans=spans, keeps=keeps, rows=len(self._running), length=length)

    def absorb(self, step: Step, chosen: list[int]) -> list[tuple[Answer, Progress]]:
        """Take in the tokens chosen (one for each span that chooses, in order) and say what they mean."""
        tokens = iter(chosen)
        said = []
        for span in step.spans:
            span.answer.cached = span.start + len(span.tokens)
            if span.chooses:
                said.append((span.answer, self._scored(span.answer, self._take(span.answer, next(tokens)))))
        for keep in step.keeps:
            self._prefixes.keep(keep)
        for answer, progress in said:
            if progress.finish is not None:
                self._retire(answer)
        return said

    def _take(self, answer: Answer, token: int) -> Progress:
        answer.known.append(token)
        if token in self._end_tokens:
            return self._last(answer, "", "stop")
        text, stop = answer.writer.push(token)
        if stop is not None:
            finish = Finish(reason="stop", stop_string=stop)
            return Progress(text=text, output_tokens=answer.output_tokens, finish=finish)
        if answer.output_tokens >= _promised(answer, self.limits):
            return self._last(answer, text, "length")
        return Progress(text=text, output_tokens=answer.output_tokens)

    def _last(self, answer: Answer, text: str, reason: FinishReason) -> Progress:
        tail, stop = answer.writer.finish()
        finish = Finish(reason="stop" if stop is not None else reason, stop_string=stop)
        return Progress(text=text + tail, output_tokens=answer.output_tokens, finish=finish)

    def _scored(self, answer: Answer, progress: Progress) -> Progress:
        if answer.sampling.logprobs is None or answer.known[-1] in self._end_tokens:
            return progress
        return replace(progress, scored=answer.scores[-1])

    def _spans(self) -> Iterator[Span]:
        room = self.limits.prefill_tokens
        for answer in self._running:
            pending = len(answer.known) - answer.cached
            count = self._count(answer, 1 if pending == 1 else min(pending, room))
            if count == 0:
                continue
            room -= count if pending > 1 else 0
            tokens = tuple(answer.known[answer.cached : answer.cached + count])
            draw = answer.dice.random() if count == pending else 0.0
            yield Span(answer=answer, start=answer.cached, tokens=tokens, chooses=count == pending, draw=draw)

    def _count(self, answer: Answer, fit: int) -> int:
        """Tokens of an answer in this step, of those that fit. What others could have is asked for last."""
        if fit == 0 or self._turns.holds_back(answer):
            return 0
        return min(fit, self._turns.most_tokens(answer))

    def _admit(self) -> None:
        while self._waiting and (answer := self._turns.next(self._waiting)) and self._has_room(answer):
            self._waiting.remove(answer)
            self._turns.taken(answer)
            answer.row = len(self._running)
            self._running.append(answer)
            self._find(answer)

    def _find(self, answer: Answer) -> None:
        """What it begins with may be kept. Who wants its prompt scored runs all of it."""
        if not answer.version or not self._prefixes.places or answer.sampling.prompt_logprobs is not None:
            return
        places = self._prefixes.find(answer.version, answer.known)
        if places:
            self._found[answer] = places
            answer.cached = answer.reused = len(places) * self._prefixes.block

    def _keeps(self, spans: Iterable[Span]) -> Iterator[Keep]:
        """Of the prompts that end in this step, what is not kept yet."""
        for span in spans:
            answer = span.answer
            if self._prefixes.places and answer.version and span.chooses and span.start < len(answer.prompt):
                keep = self._prefixes.plan(answer.version, answer.prompt, answer.row)
                if keep is not None:
                    yield keep

    def _has_room(self, answer: Answer) -> bool:
        """Whether it fits, after those that stand still have made room for it. Nobody does where that is no help."""
        still = [one for one in reversed(self._running) if self._turns.holds_back(one)]
        for count in range(len(still) + 1):
            if self._fits(answer, without=still[:count]):
                for one in still[:count]:
                    self._put_back(one)
                return True
        return False

    def _put_back(self, answer: Answer) -> None:
        """It waits again, and what it had cached is run again, to the same bits, when its turn comes."""
        self._retire(answer)
        answer.cached = answer.reused = 0
        answer.prompt_scores.clear()
        self._waiting.appendleft(answer)

    def _fits(self, answer: Answer, without: Sequence[Answer]) -> bool:
        stay = [one for one in self._running if one not in without]
        longest = max(_whole(one, self.limits) for one in (*stay, answer))
        return len(stay) < self.limits.rows and (len(stay) + 1) * longest <= self.limits.cache_tokens

    def _drop_cancelled(self) -> None:
        self._waiting = deque(answer for answer in self._waiting if not answer.cancelled)
        for answer in [answer for answer in self._running if answer.cancelled]:
            self._retire(answer)

    def _retire(self, answer: Answer) -> None:
        """Free the answer's row; the last row moves into it."""
        last = self._running.pop()
        if last is not answer:
            # Who has nothing in its row yet may stand in one that the cache does not have yet.
            if last.cached and last not in self._found:
                self._moves.append(Move(source=last.row, target=answer.row, length=last.cached))
            last.row = answer.row
            self._running[answer.row] = last
        answer.row = -1
        self._found.pop(answer, None)
        if not self._running:
            self._moves.clear()


def _promised(answer: Answer, limits: Limits) -> int:
    """The most tokens that the answer may have."""
    return min(answer.sampling.max_tokens, limits.context_tokens - len(answer.prompt))


def _whole(answer: Answer, limits: Limits) -> int:
    return len(answer.prompt) + _promised(answer, limits)


def _side_by_side(spans: Iterator[Span]) -> tuple[Span, ...]:
    """The spans, those of one model together, models in order of first appearance."""
    groups: dict[Hashable, list[Span]] = {}
    for span in spans:
        groups.setdefault(span.answer.model, []).append(span)
    return tuple(span for group in groups.values() for span in group)
