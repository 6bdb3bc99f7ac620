"""What this machine does for this base: the real engine, timed at a full batch. Knows no request and no unit.

A full prompt step and a run of single-token steps, a few times over: the scheduler decides and the doer does them as
they would for callers. What was measured is kept in a file, whose name stands for base, engine and machine.
"""

import logging
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outcrop.domain.model_units import Capacity
from outcrop.inference.asking import Sampling
from outcrop.inference.capacity_file import keep, read
from outcrop.inference.loading import Loaded
from outcrop.inference.scheduler import Answer, Scheduler, Step
from outcrop.inference.shelf import BASE

ROUNDS = 5
ANSWER_TOKENS = 16
"""Of one answer in one round: single-token steps are short, and a median of fifteen is steady."""
ENOUGH_S = 1.0
"""No further round is begun after so long, and one under way ends: a large base has told enough by then."""
FEWEST_STEPS = 4
"""Of a round: one of prompts, and single-token steps enough for a median."""
SHORTEST_S = 1e-6  # of a step: less than any clock tells apart
SPELLED_TOKEN = 1  # any token would do: the work is the same
log = logging.getLogger(__name__)
Clock = Callable[[], float]


def known_or_measured(file: Path | None, loaded: Loaded, clock: Clock) -> Capacity:
    """What `file` remembers; else what is measured now, and kept there."""
    known = None if file is None else read(file)
    if known is not None:
        return known
    capacity = measured(loaded, clock)
    log.info("measured: %s", capacity)
    if file is not None:
        keep(file, capacity)
    return capacity


def measured(loaded: Loaded, clock: Clock) -> Capacity:
    """Medians over the rounds' steps. The first round warms caches and is left out, unless it was all there was."""
    enough = clock() + ENOUGH_S
    rounds = [_round(loaded, clock, enough)]
    while len(rounds) < ROUNDS and clock() < enough:
        rounds.append(_round(loaded, clock, enough))
    steps = [step for each in (rounds[1:] or rounds) for step in each]
    return Capacity(
        input_tokens_s=_median_rate([step for step in steps if step.of_prompts]),
        output_tokens_s=_median_rate([step for step in steps if not step.of_prompts]),
    )


@dataclass(frozen=True, slots=True)
class _Timed:
    """One step: how many tokens it ran, and how long that took."""

    of_prompts: bool
    tokens: int
    seconds: float


def _round(loaded: Loaded, clock: Clock, enough: float) -> list[_Timed]:
    """Prompts that fill one step, then their answers, every row taken; no more than is needed once it is `enough`."""
    scheduler = Scheduler(loaded.limits, frozenset())
    for _ in range(loaded.limits.rows):
        scheduler.submit(_answer(loaded))
    steps: list[_Timed] = []
    while (step := scheduler.decide()) is not None:
        began = clock()
        chosen = loaded.doer.do(step)
        steps.append(_timed(step, clock() - began))
        scheduler.absorb(step, chosen)
        if clock() > enough and len(steps) >= FEWEST_STEPS:
            for answer in scheduler.answers():
                answer.cancelled = True
    return steps


def _answer(loaded: Loaded) -> Answer:
    limits = loaded.limits
    longest = limits.context_tokens - ANSWER_TOKENS
    prompt = [SPELLED_TOKEN] * max(2, min(limits.prefill_tokens // limits.rows, longest))
    sampling = Sampling(max_tokens=ANSWER_TOKENS, seed=0, temperature=0.0)
    return Answer(prompt=prompt, sampling=sampling, model=loaded.models.shelf.find(BASE), writer=_Mute())


def _timed(step: Step, seconds: float) -> _Timed:
    tokens = sum(len(span.tokens) for span in step.spans)
    return _Timed(any(span.start == 0 for span in step.spans), tokens, seconds)


def _median_rate(steps: list[_Timed]) -> float:
    return statistics.median(step.tokens / max(step.seconds, SHORTEST_S) for step in steps)


class _Mute:
    """Nobody reads these answers."""

    def push(self, _: int) -> tuple[str, str | None]:
        return "", None

    def finish(self) -> tuple[str, str | None]:
        return "", None
