"""The curve of a run as SVG: loss of text and of lessons, and held-out bits per byte, over the tokens seen."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 44, 48  # margins around the axes
INK, GRID = "#2b2f36", "#e5e7eb"
POINTS = 300  # a line's: each is the mean over its part of the run
MOST_LINES = 10


def save_curve(log: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws what a log says."""
    steps = [line for line in log if "loss_text" in line]
    marks = [line for line in log if "held_out_bits_per_byte" in line]
    lines = {
        ("text, nats a token", "#1f6f8b"): thinned([(line["tokens"], line["loss_text"]) for line in steps]),
        ("lessons, nats a token", "#d1495b"): thinned([(line["tokens"], line["loss_lessons"]) for line in steps]),
        ("held out, bits a byte", "#3c9d5d"): [(line["tokens"], line["held_out_bits_per_byte"]) for line in marks],
    }
    path.write_text("\n".join(_drawn({name: points for name, points in lines.items() if points})), encoding="utf-8")


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most about POINTS points: means over parts of the run."""
    every = max(1, len(points) // POINTS)
    parts = [points[start : start + every] for start in range(0, len(points), every)]
    return [(part[-1][0], sum(value for _, value in part) / len(part)) for part in parts]


def _drawn(lines: dict[tuple[str, str], list[tuple[float, float]]]) -> Iterator[str]:
    most = max((tokens for points in lines.values() for tokens, _ in points), default=1)
    highest = max((value for points in lines.values() for _, value in points), default=1.0)
    across, up = (WIDTH - LEFT - RIGHT) / most, (HEIGHT - TOP - BOTTOM) / highest
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    for level in range(min(int(highest), MOST_LINES) + 1):
        y = HEIGHT - BOTTOM - level * up
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{GRID}"/>'
        yield _label(LEFT - 8, y + 4, str(level), "end")
    for share in (0, 0.25, 0.5, 0.75, 1):
        yield _label(LEFT + share * most * across, HEIGHT - BOTTOM + 18, f"{share * most / 1e6:.1f}", "middle")
    yield _label((WIDTH + LEFT) / 2, HEIGHT - 10, "million tokens", "middle")
    for number, ((name, color), points) in enumerate(lines.items()):
        path = " ".join(f"{LEFT + tokens * across:.1f},{HEIGHT - BOTTOM - value * up:.1f}" for tokens, value in points)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"/>'
        yield _label(LEFT + 10 + number * 250, 24, f"{name}: {points[-1][1]:.2f}", "start", color)
    yield "</svg>\n"


def _label(x: float, y: float, text: str, anchor: str, color: str = INK) -> str:
    at = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="13" fill="{color}"'
    return f"<text {at}>{escape(text)}</text>"
