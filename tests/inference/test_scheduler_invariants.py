"""Whatever is asked, cancelled and ended in whatever order, the scheduler keeps its promises; idle means empty.

Hypothesis draws the order. The cache is acted out in plain lists, and so is what is kept of prompts: what a step says
must find its own past there.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from counts import Counts
from outcrop.inference.asking import Progress, Sampling
from outcrop.inference.prefixes import Prefixes
from outcrop.inference.scheduler import Answer, Limits, Scheduler, Step

CONTEXT = 24
END = 0
MACHINES = Counts().few_or_full(100, 5000)
STEPS = 60  # of one machine
BLOCK = 3


class Letters:
    """Writes a letter a token, and stops at the letter it was given."""

    def __init__(self, stop: str | None) -> None:
        self._stop = stop

    def push(self, token: int) -> tuple[str, str | None]:
        letter = chr(97 + token)
        return ("", letter) if letter == self._stop else (letter, None)

    def finish(self) -> tuple[str, str | None]:
        return "", None


class Scheduling(RuleBasedStateMachine):
    """A scheduler, the rows that a cache would have, and what each answer was told."""

    @initialize(
        rows=st.integers(1, 5), room=st.integers(CONTEXT, 100), prefill=st.integers(1, 12), places=st.integers(0, 9)
    )
    def begin(self, rows: int, room: int, prefill: int, places: int) -> None:
        limits = Limits(rows=rows, cache_tokens=room, context_tokens=CONTEXT, prefill_tokens=prefill)
        self.scheduler = Scheduler(limits, frozenset({END}), prefixes=Prefixes(places, BLOCK))
        self.cache: list[list[int]] = [[] for _ in range(rows)]
        self.places: list[tuple[str, list[int]]] = [("", []) for _ in range(places)]
        self.said: dict[Answer, list[Progress]] = {}
        self.told_to_end: set[Answer] = set()

    @rule(
        prompt=st.lists(st.integers(1, 9) | st.just(1), min_size=1, max_size=CONTEXT - 1),
        most=st.integers(1, CONTEXT),
        model=st.sampled_from("xyz"),
        stop=st.none() | st.sampled_from("bcd"),
    )
    def submit(self, prompt: list[int], most: int, model: str, stop: str | None) -> None:
        sampling = Sampling(max_tokens=most, seed=0)
        answer = Answer(prompt=prompt, sampling=sampling, model=model, writer=Letters(stop), version=model)
        self.said[answer] = []
        self.scheduler.submit(answer)

    @precondition(lambda self: self.scheduler.busy)
    @rule(choice=st.integers(0, 100))
    def hang_up(self, choice: int) -> None:
        held = self.scheduler.answers()
        held[choice % len(held)].cancelled = True

    @rule(seed=st.randoms(use_true_random=False))
    def step(self, seed: object) -> None:
        step = self.scheduler.decide()
        assert not any(answer.cancelled for answer in self.scheduler.answers())
        if step is None:
            assert not self.scheduler.busy, "whoever waits is served as soon as nobody runs"
            return
        self.require_sound(step)
        self.act_out(step)
        chosen = [seed.randrange(10) for span in step.spans if span.chooses]  # type: ignore[attr-defined]  # a Random
        for answer, progress in self.scheduler.absorb(step, chosen):
            assert answer not in self.told_to_end, "nothing follows an end"
            self.said[answer].append(progress)
            if progress.finish is not None:
                self.told_to_end.add(answer)

    @rule()
    def end_all(self) -> None:
        """Everybody gets to an end, in as many steps as there are tokens at most."""
        tokens = sum(CONTEXT + len(answer.prompt) for answer in self.scheduler.answers())
        for _ in range(tokens + 1):
            step = self.scheduler.decide()
            if step is None:
                break
            self.require_sound(step)
            self.act_out(step)
            self.scheduler.absorb(step, [9 for span in step.spans if span.chooses])
        assert not self.scheduler.busy

    @rule()
    def fail(self) -> None:
        """A step failed: all is forgotten."""
        held = self.scheduler.answers()
        self.scheduler.clear()
        assert not self.scheduler.busy
        assert all(answer.row < 0 for answer in held)

    @invariant()
    def promises_are_kept(self) -> None:
        if hasattr(self, "scheduler"):
            self.scheduler.check()
            assert self.scheduler.busy == bool(self.scheduler.answers())
            for answer, pieces in self.said.items():
                assert answer.output_tokens <= min(answer.sampling.max_tokens, CONTEXT - len(answer.prompt))
                assert all(piece.finish is None for piece in pieces[:-1])

    def require_sound(self, step: Step) -> None:
        """A span for each who runs, at most; models side by side; prompts bounded; all within the rectangle."""
        limits, spans = self.scheduler.limits, step.spans
        assert len({span.answer for span in spans}) == len(spans) <= step.rows <= limits.rows
        models = [span.answer.model for span in spans]
        assert len(set(models)) == sum(one != other for one, other in zip(models, [None, *models], strict=False))
        assert sum(len(span.tokens) for span in spans if len(span.tokens) > 1) <= limits.prefill_tokens
        assert step.rows * step.length <= limits.cache_tokens
        for span in spans:
            known, end = span.answer.known, span.start + len(span.tokens)
            assert span.start == span.answer.cached
            assert list(span.tokens) == known[span.start : end] != []
            assert span.chooses == (end == len(known))
            assert end <= step.length

    def act_out(self, step: Step) -> None:
        """What a cache would do; each span must stand behind the whole of its own past."""
        for move in step.moves:
            self.cache[move.target] = self.cache[move.source][: move.length]
        versions = {answer.row: answer.version for answer in self.scheduler.answers() if answer.row >= 0}
        for fill in step.fills:
            assert all(self.places[place][0] == versions[fill.row] for place in fill.places), "of another version"
            self.cache[fill.row] = [token for place in fill.places for token in self.places[place][1]]
        for span in step.spans:
            row = self.cache[span.answer.row]
            row[span.start :] = span.tokens
            assert row == span.answer.known[: len(row)], "the cached tokens are another's"
        for keep in step.keeps:
            for at, place in enumerate(keep.places):
                start = keep.start + at * BLOCK
                self.places[place] = (versions[keep.row], self.cache[keep.row][start : start + BLOCK])
                assert len(self.places[place][1]) == BLOCK, "what is kept has run"


Scheduling.TestCase.settings = settings(max_examples=MACHINES, stateful_step_count=STEPS, deadline=None)
TestAnyOrderOfEvents = Scheduling.TestCase
