"""A job's loss curves as a drawing: lines and labels on a canvas. Knows neither SVG nor pixels.

The training loss is drawn as it was, pale, and smoothed over it; each validator's loss has points of its own. Steps
count from 1 along the bottom, and a thin line marks where each epoch ends.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from outcrop.domain.events import Step, Validation

WIDTH, HEIGHT = 960, 540
LEFT, RIGHT, TOP, BOTTOM = 84, 28, 72, 68  # margins around the axes
INK, FAINT, GRID = "#2b2f36", "#6b7280", "#e5e7eb"
EPOCH = "#9ca3af"
TRAINING, TRAINING_PALE = "#1f6f8b", "#a9cbd6"
VALIDATORS = ("#d1495b", "#edae49", "#6a4c93", "#3c9d5d", "#8d5524")
TITLE_SIZE, LABEL_SIZE, TICK_SIZE = 19, 15, 13
TICKS = 6
MOST_EPOCH_MARKS = 12
SMOOTHED_SHARE = 20  # the smoothed line is the mean over a twentieth of the run
FLAT = 1e-9  # losses that differ by less, relative to their size, are drawn as equal: no tick could tell them apart
PIXELS_A_POINT = 1.0  # more points than pixels cannot be seen: of each pixel the lowest and highest are kept

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line through points."""

    points: tuple[Point, ...]
    color: str
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A filled circle."""

    at: Point
    color: str
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Words whose baseline's start, middle or end stands at a point; `upright` ones read from bottom to top."""

    at: Point
    text: str
    size: int
    color: str = INK
    anchor: Anchor = "start"
    bold: bool = False
    upright: bool = False


Mark = Line | Dot | Label


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axes:
    """Where steps and losses lie on the canvas."""

    steps: int
    lowest: float
    highest: float

    def at(self, step: float, loss: float) -> Point:
        share = (step - 1) / max(1, self.steps - 1)
        height = (loss - self.lowest) / (self.highest - self.lowest)
        return (LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - height * (HEIGHT - TOP - BOTTOM))


def loss_figure(title: str, steps: Sequence[Step], validations: Sequence[Validation], planned: int) -> list[Mark]:
    """The drawing of what is known so far, of `planned` steps; in the order to draw in."""
    losses = [step.loss for step in steps if math.isfinite(step.loss)]
    measured = [validation for validation in validations if math.isfinite(validation.loss)]
    axes = _axes(losses + [validation.loss for validation in measured], max(planned, len(steps), 2))
    return [
        *_frame(title, axes),
        *_epochs(steps, axes),
        *_training(losses, axes),
        *_validation(measured, axes),
        *_legend(sorted({validation.validator for validation in measured})),
    ]


def smoothed(losses: Sequence[float]) -> list[float]:
    """The mean of the losses before and after each, as many of both: it does not lag. At the ends there are fewer."""
    sums = list(itertools.accumulate(losses, initial=0.0))
    reach = len(losses) // SMOOTHED_SHARE // 2
    spans = [(max(0, place - reach), min(len(losses), place + reach + 1)) for place in range(len(losses))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in spans]


def ticks(lowest: float, highest: float, most: int = TICKS) -> list[float]:
    """Round numbers from `lowest` to `highest`, at most `most` and one more."""
    rough = (highest - lowest) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(lowest / step - 1e-9), math.floor(highest / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _axes(losses: Sequence[float], steps: int) -> _Axes:
    lowest, highest = (min(losses), max(losses)) if losses else (0.0, 1.0)
    size = max(abs(highest), 1.0)
    room = size * 0.05 if highest - lowest < FLAT * size else (highest - lowest) * 0.06
    return _Axes(steps=steps, lowest=max(0.0, lowest - room), highest=highest + room)


def _frame(title: str, axes: _Axes) -> Iterator[Mark]:
    """Title, grid, numbers and the axes' names."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    yield Label(at=(LEFT, 34), text=title, size=TITLE_SIZE, bold=True)
    levels = ticks(axes.lowest, axes.highest)
    decimals = max(0, 1 - math.floor(math.log10(levels[1] - levels[0]))) if len(levels) > 1 else 2
    for level in levels:
        _, y = axes.at(1, level)
        yield Line(points=((LEFT, y), (right, y)), color=GRID, width=1)
        yield Label(
            at=(LEFT - 10, y + TICK_SIZE / 3), text=f"{level:.{decimals}f}", size=TICK_SIZE, color=FAINT, anchor="end"
        )
    for step in sorted({round(tick) for tick in ticks(1, axes.steps, 8) if tick >= 1} | {1}):
        x, _ = axes.at(step, axes.lowest)
        yield Line(points=((x, bottom), (x, bottom + 5)), color=FAINT, width=1)
        yield Label(at=(x, bottom + 22), text=f"{step:,}", size=TICK_SIZE, color=FAINT, anchor="middle")
    yield Line(points=((LEFT, TOP), (LEFT, bottom), (right, bottom)), color=FAINT, width=1.2)
    yield Label(at=((LEFT + right) / 2, HEIGHT - 16), text="optimizer step", size=LABEL_SIZE, anchor="middle")
    yield Label(at=(26, (TOP + bottom) / 2), text="loss (nats a token)", size=LABEL_SIZE, anchor="middle", upright=True)


def _epochs(steps: Sequence[Step], axes: _Axes) -> Iterator[Mark]:
    """Where epochs end, as many of them as can be read."""
    ends = [step for step, after in itertools.pairwise(steps) if after.epoch > step.epoch]
    every = math.ceil(len(ends) / MOST_EPOCH_MARKS) or 1
    for end in ends[every - 1 :: every]:
        x, _ = axes.at(end.step + 1, axes.lowest)
        yield Line(points=((x, TOP), (x, HEIGHT - BOTTOM)), color=EPOCH, width=0.8)
        yield Label(at=(x, TOP - 6), text=f"epoch {end.epoch + 1}", size=TICK_SIZE, color=FAINT, anchor="middle")


def _training(losses: Sequence[float], axes: _Axes) -> Iterator[Mark]:
    if not losses:
        return
    points = _thinned([axes.at(number, loss) for number, loss in enumerate(losses, start=1)])
    yield Line(points=points, color=TRAINING_PALE, width=1.2)
    points = _thinned([axes.at(number, loss) for number, loss in enumerate(smoothed(losses), start=1)])
    yield Line(points=points, color=TRAINING, width=2.4)
    if len(losses) == 1:
        yield Dot(at=points[0], color=TRAINING, radius=4)


def _validation(measured: Sequence[Validation], axes: _Axes) -> Iterator[Mark]:
    for validator in sorted({validation.validator for validation in measured}):
        color = VALIDATORS[validator % len(VALIDATORS)]
        mine = [validation for validation in measured if validation.validator == validator]
        points = [axes.at(max(1, validation.step + 1), validation.loss) for validation in mine]
        if len(points) > 1:
            yield Line(points=tuple(points), color=color, width=2)
        yield from (Dot(at=point, color=color, radius=4) for point in points)


def _legend(validators: Sequence[int]) -> Iterator[Mark]:
    """Names from the right edge to the left, in the title's line."""
    several = len(validators) > 1
    names = [(f"validation {number + 1}" if several else "validation", number) for number in validators]
    entries = [("training", TRAINING), *((name, VALIDATORS[number % len(VALIDATORS)]) for name, number in names)]
    right: float = WIDTH - RIGHT
    for name, color in reversed(entries):
        left = right - len(name) * LABEL_SIZE * 0.55
        yield Label(at=(left, 34), text=name, size=LABEL_SIZE)
        yield Line(points=((left - 30, 29), (left - 8, 29)), color=color, width=3)
        right = left - 48


def _thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """Of the points in each pixel's width the lowest and the highest, in order."""
    columns: dict[int, list[Point]] = {}
    for point in points:
        columns.setdefault(int(point[0] / PIXELS_A_POINT), []).append(point)
    kept: list[Point] = []
    for column in columns.values():
        ends = {min(column, key=lambda point: point[1]), max(column, key=lambda point: point[1])}
        kept += sorted({*ends, column[0], column[-1]})
    return tuple(kept)
