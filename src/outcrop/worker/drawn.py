"""A figure drawn: as SVG, which is text, and as PNG. Knows nothing of what is drawn."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from outcrop.worker.figure import HEIGHT, WIDTH, Dot, Label, Line, Mark

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

FONT = "Helvetica, Arial, sans-serif"
SCALE = 2  # pixels of the PNG a unit: sharp on today's screens
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}  # Pillow's names, on the baseline
OVERSAMPLED = 2  # drawn larger and shrunk: smooth lines


def svg(marks: Iterable[Mark]) -> bytes:
    """The figure as an SVG file, on white."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="{FONT}">'
    )
    lines = [head, f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>', *map(_svg_of, marks), "</svg>", ""]
    return "\n".join(lines).encode()


def png(marks: Iterable[Mark]) -> bytes:
    """The figure as a PNG file, on white."""
    from PIL import Image, ImageDraw  # a worker that draws nothing need not load it

    unit = SCALE * OVERSAMPLED
    image = Image.new("RGB", (WIDTH * unit, HEIGHT * unit), "#ffffff")
    pen = _Pen(image, ImageDraw.Draw(image), unit)
    for mark in marks:
        pen.draw(mark)
    small = image.resize((WIDTH * SCALE, HEIGHT * SCALE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.quantize(256).save(file, "PNG", optimize=True)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class _Pen:
    """Draws marks on an image of `unit` pixels a unit."""

    image: "Image.Image"
    on: "ImageDraw.ImageDraw"
    unit: int

    def draw(self, mark: Mark) -> None:
        """One mark."""
        match mark:
            case Line():
                points = [(x * self.unit, y * self.unit) for x, y in mark.points]
                self.on.line(points, fill=mark.color, width=round(mark.width * self.unit), joint="curve")
            case Dot():
                x, y = mark.at
                self.on.circle((x * self.unit, y * self.unit), mark.radius * self.unit, fill=mark.color)
            case Label(upright=False):
                self._write(self.on, (mark.at[0] * self.unit, mark.at[1] * self.unit), mark)
            case Label():
                self._write_upright(mark)

    def _write(self, on: "ImageDraw.ImageDraw", at: tuple[float, float], mark: Label) -> None:
        from PIL import ImageFont

        font = ImageFont.load_default(mark.size * self.unit)
        bold = self.unit // 3 if mark.bold else 0  # the font that Pillow brings has one weight
        on.text(at, mark.text, fill=mark.color, font=font, anchor=ANCHORS[mark.anchor], stroke_width=bold)

    def _write_upright(self, mark: Label) -> None:
        """On a strip of its own, turned."""
        from PIL import Image, ImageDraw

        length, height = HEIGHT * self.unit, 2 * mark.size * self.unit
        strip = Image.new("RGB", (length, height), "#ffffff")
        self._write(ImageDraw.Draw(strip), (length / 2, height / 2), mark)
        x, y = mark.at[0] * self.unit, mark.at[1] * self.unit
        strip = strip.crop((length // 4, 0, 3 * length // 4, height)).transpose(Image.Transpose.ROTATE_90)
        self.image.paste(strip, (round(x - height / 2), round(y - length / 4)))


def _svg_of(mark: Mark) -> str:
    match mark:
        case Line():
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
            return (
                f'<polyline points="{points}" fill="none" stroke="{mark.color}" stroke-width="{mark.width}" '
                'stroke-linejoin="round" stroke-linecap="round"/>'
            )
        case Dot():
            return f'<circle cx="{mark.at[0]:.1f}" cy="{mark.at[1]:.1f}" r="{mark.radius}" fill="{mark.color}"/>'
        case Label():
            x, y = mark.at
            turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if mark.upright else ""
            weight = ' font-weight="600"' if mark.bold else ""
            return (
                f'<text x="{x:.1f}" y="{y:.1f}" font-size="{mark.size}" fill="{mark.color}" '
                f'text-anchor="{mark.anchor}"{weight}{turned}>{escape(mark.text)}</text>'
            )
