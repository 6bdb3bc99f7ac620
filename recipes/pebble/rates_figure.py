"""Curves of a sweep: share of right answers over the applied rate, a line a rank and batch size. Knows no model."""

import math
from collections.abc import Iterator, Sequence

from outcrop.worker.figure import (
    BOTTOM,
    FAINT,
    GRID,
    HEIGHT,
    LABEL_SIZE,
    LEFT,
    RIGHT,
    TICK_SIZE,
    TITLE_SIZE,
    TOP,
    TRAINING,
    VALIDATORS,
    WIDTH,
    Dot,
    Label,
    Line,
    Mark,
)
from pebble.rates import Point

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
COLORS = (*VALIDATORS, TRAINING)  # one for each rank and batch size of a full sweep


def rates_figure(title: str, points: Sequence[Point]) -> list[Mark]:
    """The drawing of one subject's points, in the order to draw in."""
    rates = sorted({point.rate for point in points})
    series = sorted({(point.batch_size, point.rank) for point in points})
    return [
        Label(at=(LEFT, 30), text=title, size=TITLE_SIZE, bold=True),
        *_grid(rates),
        *(mark for place, key in enumerate(series) for mark in _series(points, rates, key, place)),
    ]


def _grid(rates: Sequence[float]) -> Iterator[Mark]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for level in LEVELS:
        _, y = _at(rates, rates[0], level)
        yield Line(points=((LEFT, y), (right, y)), color=GRID, width=1)
        yield Label(at=(LEFT - 10, y + TICK_SIZE / 3), text=f"{level:.0%}", size=TICK_SIZE, color=FAINT, anchor="end")
    for rate in rates:
        x, _ = _at(rates, rate, 0.0)
        yield Line(points=((x, bottom), (x, bottom + 5)), color=FAINT, width=1)
        yield Label(at=(x, bottom + 22), text=f"{rate:.1e}", size=TICK_SIZE, color=FAINT, anchor="middle")
    yield Line(points=((LEFT, TOP), (LEFT, bottom), (right, bottom)), color=FAINT, width=1.2)
    yield Label(at=((LEFT + right) / 2, HEIGHT - 16), text="applied learning rate", size=LABEL_SIZE, anchor="middle")
    yield Label(at=(26, (TOP + bottom) / 2), text="answered exactly", size=LABEL_SIZE, anchor="middle", upright=True)


def _series(points: Sequence[Point], rates: Sequence[float], key: tuple[int, int], place: int) -> Iterator[Mark]:
    batch_size, rank = key
    color = COLORS[place % len(COLORS)]
    mine = sorted((point.rate, point.exact) for point in points if (point.batch_size, point.rank) == key)
    line = tuple(_at(rates, rate, exact) for rate, exact in mine)
    if len(line) > 1:
        yield Line(points=line, color=color, width=2)
    yield from (Dot(at=at, color=color, radius=4) for at in line)
    left = LEFT + place * (WIDTH - LEFT - RIGHT) / len(COLORS)
    yield Line(points=((left, 50), (left + 18, 50)), color=color, width=3)
    yield Label(at=(left + 24, 54), text=f"batch {batch_size}, rank {rank}", size=TICK_SIZE)


def _at(rates: Sequence[float], rate: float, share: float) -> tuple[float, float]:
    span = math.log(rates[-1] / rates[0]) or 1.0
    x = LEFT + math.log(rate / rates[0]) / span * (WIDTH - LEFT - RIGHT)
    return x, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
