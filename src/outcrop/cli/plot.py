"""Loss curves as text: dots of braille, or plain characters where the terminal has none. Knows no job."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.text import Text

Point = tuple[float, float]
# Dots of a braille character by column and row (Unicode 10.0, chapter 21.1).
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
BRAILLE, COLUMNS, ROWS = 0x2800, 2, 4
CURVE_STYLE, MARK_STYLE = "cyan", "red"
FLAT = 0.5  # how far the axis goes above and below a curve that is one number
AXIS_WIDTH = 9  # a loss as `12.3456`, a space and the axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A curve, and marks over it; `x` runs from 1 to `last`. `plain`: no character beyond ASCII."""

    curve: Sequence[Point]
    marks: Sequence[Point]
    last: float
    width: int = 72
    height: int = 14
    plain: bool = False

    def text(self) -> Text:
        """The plot with its axes, `height` lines and two more; nothing where there is nothing to show."""
        curve = thinned(self.curve, self.width, self.last)
        values = [y for _, y in (*curve, *self.marks)]
        if not values:
            return Text("")
        low, high = min(values), max(values)
        if low == high:
            low, high = low - FLAT, high + FLAT
        rows = self._rows(curve, low, high)
        lines = [self._row(number, row, low, high) for number, row in enumerate(rows)]
        corner, dash = ("+", "-") if self.plain else ("└", "─")
        lines.append(Text(" " * (AXIS_WIDTH - 1) + corner + dash * self.width))
        right = f"{self.last:,.0f}"
        lines.append(Text(" " * AXIS_WIDTH + "1" + right.rjust(self.width - 1)))
        return Text("\n").join(lines)

    def _row(self, number: int, row: list[tuple[str, str]], low: float, high: float) -> Text:
        labelled = number in (0, self.height // 2, self.height - 1)
        level = high - (high - low) * number / (self.height - 1)
        line = Text(f"{level:.4f}".rjust(AXIS_WIDTH - 2) if labelled else " " * (AXIS_WIDTH - 2))
        line.append(" |" if self.plain else " │")
        for character, style in row:
            line.append(character, style)
        line.rstrip()
        return line

    def _rows(self, curve: Sequence[Point], low: float, high: float) -> list[list[tuple[str, str]]]:
        """Characters and their styles, row by row from the top."""
        across, down = (1, 1) if self.plain else (COLUMNS, ROWS)
        wide, tall = self.width * across, self.height * down

        def place(point: Point) -> tuple[int, int]:
            share = (point[0] - 1) / max(1.0, self.last - 1)
            x = round(min(1.0, max(0.0, share)) * (wide - 1))
            return x, round((high - point[1]) / (high - low) * (tall - 1))

        cells = [[0] * self.width for _ in range(self.height)]
        for x, y in joined([place(point) for point in curve]):
            cells[y // down][x // across] |= 1 if self.plain else DOTS[x % COLUMNS][y % ROWS]
        rows = [[self._cell(dots) for dots in row] for row in cells]
        for x, y in map(place, self.marks):
            rows[y // down][x // across] = ("o" if self.plain else "●", MARK_STYLE)
        return rows

    def _cell(self, dots: int) -> tuple[str, str]:
        if not dots:
            return " ", ""
        return ("*" if self.plain else chr(BRAILLE + dots)), CURVE_STYLE


def thinned(curve: Sequence[Point], columns: int, last: float) -> list[Point]:
    """The curve's mean in each of `columns` stretches of `x`: what noise leaves of it."""
    found: dict[int, list[Point]] = {}
    for point in curve:
        found.setdefault(int((point[0] - 1) / max(1.0, last) * columns), []).append(point)
    return [
        (sum(x for x, _ in near) / len(near), sum(y for _, y in near) / len(near)) for _, near in sorted(found.items())
    ]


def joined(dots: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The dots and those between them, so that a curve has no gaps."""
    found = list(dots[:1])
    for (x, y), (next_x, next_y) in pairwise(dots):
        steps = max(abs(next_x - x), abs(next_y - y), 1)
        found += [
            (x + round((next_x - x) * part / steps), y + round((next_y - y) * part / steps))
            for part in range(1, steps + 1)
        ]
    return found
