"""What a sweep of learning rates says: which rates a checkpoint learns at, and the constants that follow for its card.

Knows nothing of how a point was measured.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

RIGHT = 0.95  # of ten facts: a rate that leaves out half a fact is none
NEAR_BEST = 0.05  # of exact match: noise of 120 held-out rows
UNSWEPT = "titan"
RANK, BATCH = 16, 1  # what the others are measured against


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One lesson: `subject` taught at `rate` with a rank and a batch size, and the share answered exactly."""

    subject: str
    rate: float
    rank: int
    batch_size: int
    exact: float
    loss: float
    steps: int
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The rates from `least` to `most` at which everything is learnt."""

    least: float
    most: float

    @property
    def middle(self) -> float:
        """As far from either end, as a factor."""
        return math.sqrt(self.least * self.most)


def band(points: Iterable[Point], rank: int, batch_size: int) -> Band | None:
    """The widest stretch of swept rates, without a gap, at which every subject is learnt; None where there is none."""
    here = [point for point in points if (point.rank, point.batch_size) == (rank, batch_size)]
    best = {subject: max(point.exact for point in here if point.subject == subject) for subject in _subjects(here)}
    good: list[list[float]] = [[]]
    for rate in sorted({point.rate for point in here}):
        if all(_is_learnt(point, best[point.subject]) for point in here if point.rate == rate):
            good[-1].append(rate)
        else:
            good.append([])
    widest = max(good, key=lambda rates: rates[-1] / rates[0] if rates else 0.0)
    return Band(least=widest[0], most=widest[-1]) if widest else None


def proposed(points: Sequence[Point]) -> dict[str, float]:
    """The constants of a card: `applied` and `most` at rank 16 and batch 1, and how both grow with batch and rank.

    Empty where nothing was learnt there.
    """
    reference = band(points, RANK, BATCH)
    if reference is None:
        return {}
    return {
        "applied": reference.middle,
        "most": reference.most,
        "batch_power": _power(points, reference, [(RANK, size) for size in _others(points, "batch_size", BATCH)]),
        "rank_power": _power(points, reference, [(rank, BATCH) for rank in _others(points, "rank", RANK)]),
    }


def card_with(card: dict[str, Any], constants: dict[str, float]) -> dict[str, Any]:
    """A checkpoint's card (outcrop.json) with the sweep's constants, to two digits: what a sweep can tell.

    Where a family's range begins and how far it is squeezed (`at`, `power`) stays, and all that is said of Titan: its
    continued pre-training is not swept.
    """
    if not constants:
        return card
    said = {name: float(f"{value:.1e}") for name, value in constants.items()}
    rank_power = said.pop("rank_power")
    before = card["learning_rate"]
    rates = {family: entry if family == UNSWEPT else {**entry, **said} for family, entry in before.items()}
    return {**card, "learning_rate": rates, "lora": {**card["lora"], "rank_power": rank_power}}


def _power(points: Sequence[Point], reference: Band, cells: Iterable[tuple[int, int]]) -> float:
    """The mean slope, in logarithms, from the reference's middle to those of the cells."""
    slopes = []
    for rank, batch_size in cells:
        found = band(points, rank, batch_size)
        if found is not None:
            grown = rank / RANK if batch_size == BATCH else batch_size / BATCH
            slopes.append(math.log(found.middle / reference.middle) / math.log(grown))
    return fmean(slopes) if slopes else 0.0


def _is_learnt(point: Point, best: float) -> bool:
    return point.exact >= (RIGHT if point.subject == "facts" else best - NEAR_BEST)


def _subjects(points: Iterable[Point]) -> set[str]:
    return {point.subject for point in points}


def _others(points: Iterable[Point], name: str, reference: int) -> list[int]:
    return sorted({getattr(point, name) for point in points} - {reference})
