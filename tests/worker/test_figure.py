"""The loss curves show every step, every validator and every epoch, whatever came."""

import io
import math
from xml.etree import ElementTree

import pytest
from PIL import Image

from outcrop.domain.events import Step, Validation
from outcrop.worker import drawn
from outcrop.worker.figure import HEIGHT, WIDTH, Dot, Label, Line, loss_figure, smoothed, ticks


def steps(losses: list[float], a_epoch: int = 10) -> list[Step]:
    return [
        Step(step=number, epoch=number // a_epoch, loss=loss, learning_rate=0.1, tokens=1)
        for number, loss in enumerate(losses)
    ]


def validation(step: int, loss: float, validator: int = 0) -> Validation:
    return Validation(step=step, epoch=0, validator=validator, loss=loss)


def test_everything_lies_on_the_canvas_and_the_words_are_there() -> None:
    figure = loss_figure("job: loss", steps([5 - n / 10 for n in range(30)]), [validation(-1, 5.2)], 30)
    words = [mark.text for mark in figure if isinstance(mark, Label)]
    for word in ("job: loss", "optimizer step", "loss (nats a token)", "training", "validation", "epoch 1", "epoch 2"):
        assert word in words
    points = [p for mark in figure for p in (mark.points if isinstance(mark, Line) else [mark.at])]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_every_validator_has_a_colour_and_a_name() -> None:
    measured = [validation(step, 3.0 + which, which) for step in (-1, 9) for which in (0, 1)]
    figure = loss_figure("job", steps([4.0] * 10), measured, 10)
    assert {mark.color for mark in figure if isinstance(mark, Dot)} == {"#d1495b", "#edae49"}
    assert {"validation 1", "validation 2"} <= {mark.text for mark in figure if isinstance(mark, Label)}


@pytest.mark.parametrize(
    "losses", [[], [3.0], [3.0, 3.0], [math.nan, 2.0], [1e-9, 1e9], [3.0, math.nextafter(3.0, 4.0)], [1e300, 1e300]]
)
def test_any_run_can_be_drawn(losses: list[float]) -> None:
    figure = loss_figure("a < b & c", steps(losses), [], 5)
    ElementTree.fromstring(drawn.svg(figure))
    assert drawn.png(figure).startswith(b"\x89PNG")


def test_both_files_show_the_same_figure() -> None:
    figure = loss_figure("job", steps([5 - n / 10 for n in range(30)]), [validation(-1, 5.2), validation(29, 3.0)], 30)
    root = ElementTree.fromstring(drawn.svg(figure))
    assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    assert len(root.findall("{*}circle")) == 2
    picture = Image.open(io.BytesIO(drawn.png(figure))).convert("RGB")
    assert picture.size == (2 * WIDTH, 2 * HEIGHT)
    for dot in (mark for mark in figure if isinstance(mark, Dot)):
        red, green, blue = picture.getpixel((round(2 * dot.at[0]), round(2 * dot.at[1])))
        assert red > 180 and green < 110 and blue < 130  # the validator's red


def test_a_long_run_is_thinned_to_what_can_be_seen_and_keeps_its_spikes() -> None:
    losses = [2.0] * 50_000
    losses[31_234] = 9.0
    figure = loss_figure("job", steps(losses, 10_000), [], len(losses))
    curves = [mark.points for mark in figure if isinstance(mark, Line) and len(mark.points) > 3]
    assert curves and all(len(points) < 4 * WIDTH for points in curves)
    assert min(y for points in curves for _, y in points) < 110  # the spike, near the top


def test_smoothing_keeps_a_straight_line_and_does_not_lag() -> None:
    line = [float(number) for number in range(100)]
    assert smoothed(line)[10:90] == pytest.approx(line[10:90])


@pytest.mark.parametrize(("lowest", "highest"), [(0.0, 1.0), (1.7, 5.3), (0.001, 0.0013), (1.0, 20_000.0)])
def test_ticks_are_few_and_within(lowest: float, highest: float) -> None:
    found = ticks(lowest, highest)
    assert 2 <= len(found) <= 7 and lowest - 1e-9 <= found[0] and found[-1] <= highest + 1e-9
