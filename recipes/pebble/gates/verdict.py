"""From what was found to passed or failed: the bars that issue "Pebble" sets. Plain arithmetic; asks nobody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from pebble.gates.found import FactsScore, Found, Retrained, TaskScore

FAMILIES = ("nova", "claude", "llama")
TASKS = 3  # labeled ones of the lab
SEEDS = 5
FACTS_RIGHT = 9.5  # of ten, the mean over seeds
FACTS_BASE = 1  # of ten: what a base may happen to say
ABOVE = 0.30  # of exact match, over base and best constant answer
LOSS_FALLS = 0.10
KEPT = 0.80  # of a first task's score after a second
BITS_FALL = 0.25
MOST_BYTES = 10_000_000  # of weights
# The first pebble on every docstring of the reserved modules of Python 3.11.7, by pebble.gauge.bits_per_byte.
FIRST_PEBBLE_PYTHON = "3.11"
FIRST_PEBBLE_BITS_PER_BYTE = 1.6953


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One gate: what was measured, what it had to be."""

    gate: str
    measured: str
    bar: str
    passed: bool


def size_line(weights_bytes: int) -> Line:
    """What a wheel has to carry."""
    return Line(
        gate="size",
        measured=f"{weights_bytes / 1e6:.1f} MB of weights",
        bar=f"at most {MOST_BYTES / 1e6:.0f} MB",
        passed=weights_bytes <= MOST_BYTES,
    )


def facts_line(family: str, scores: Sequence[FactsScore]) -> Line:
    """Ten facts in one family."""
    mean, base = fmean(score.custom for score in scores), max(score.base for score in scores)
    each = ", ".join(str(score.custom) for score in scores)
    return Line(
        gate=f"ten facts, {family}",
        measured=f"{mean:.1f} of 10 ({each}); base at most {base}",
        bar=f"at least {FACTS_RIGHT}; base at most {FACTS_BASE}",
        passed=mean >= FACTS_RIGHT and base <= FACTS_BASE,
    )


def task_line(what: str, score: TaskScore) -> Line:
    """One labeled task of the lab."""
    return Line(
        gate=f"lab, {what}",
        measured=f"custom {score.custom:.0%}, base {score.base:.0%}, constant {score.constant:.0%}",
        bar=f"{ABOVE * 100:.0f} points above both",
        passed=score.above >= ABOVE,
    )


def loss_line(before: float, after: float) -> Line:
    """Continued pre-training."""
    return Line(
        gate="continued pre-training",
        measured=f"held-out loss {before:.3f} -> {after:.3f} nats, {1 - after / before:.1%} lower",
        bar=f"at least {LOSS_FALLS:.0%} lower",
        passed=after <= before * (1 - LOSS_FALLS),
    )


def retrained_line(found: Retrained) -> Line:
    """A second task on top of a first; keeping the first is nothing where the second was not learnt."""
    return Line(
        gate="a second task",
        measured=f"first {found.first_before:.0%} -> {found.first_after:.0%} ({found.kept:.0%} kept), "
        f"second {found.second.custom:.0%}",
        bar=f"at least {KEPT:.0%} kept, the second {ABOVE * 100:.0f} points above base and constant",
        passed=found.kept >= KEPT and found.second.above >= ABOVE,
    )


def bits_line(bits: float, against: float) -> Line:
    """Eloquence."""
    return Line(
        gate="held-out text",
        measured=f"{bits:.3f} bits a byte, {1 - bits / against:.1%} below {against:.3f}",
        bar=f"at least {BITS_FALL:.0%} below",
        passed=bits <= against * (1 - BITS_FALL),
    )


def lines(found: Found, weights_bytes: int, against: float) -> list[Line]:
    """A line for every gate that was measured, in the order of the issue."""
    return [
        size_line(weights_bytes),
        *([] if found.bits is None else [bits_line(found.bits, against)]),
        *(facts_line(family, scores) for family, scores in found.facts.items() if scores),
        *(task_line(what, score) for what, score in found.tasks.items()),
        *([] if found.losses is None else [loss_line(*found.losses)]),
        *([] if found.retrained is None else [retrained_line(found.retrained)]),
    ]


def missing(found: Found) -> Iterator[str]:
    """What a pebble must still be asked before it may ship; nothing where all was."""
    if found.bits is None:
        yield "held-out text"
    for family in FAMILIES:
        if (seeds := len(found.facts.get(family, ()))) < SEEDS:
            yield f"ten facts, {family}: {SEEDS - seeds} more seeds"
    if len(found.tasks) < TASKS:
        yield "the lab's labeled tasks"
    if found.losses is None:
        yield "continued pre-training"
    if found.retrained is None:
        yield "a second task"
