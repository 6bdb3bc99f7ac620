"""A loss curve in a terminal: where it should be, in any character set."""

import math

import pytest

from outcrop.cli.plot import Plot, thinned

FALLING = [(step, 5.0 - step / 100) for step in range(1, 301)]


def test_a_falling_curve_begins_at_the_top_left_and_ends_at_the_bottom_right() -> None:
    lines = Plot(curve=FALLING, marks=[], last=300, width=40, height=10).text().plain.split("\n")
    assert len(lines) == 12
    first, last = (line.partition("│")[2] for line in (lines[0], lines[9]))
    assert first[0] != " " and first[5:].strip() == ""
    assert last[-1] != " " and last[:30].strip() == ""
    assert lines[0].split()[0] == "4.9550" and lines[-1].split() == ["1", "300"]


def test_the_steps_that_are_still_to_come_are_left_empty() -> None:
    lines = Plot(curve=FALLING, marks=[], last=600, width=40, height=10).text().plain.split("\n")[:10]
    assert all(line.partition("│")[2][21:].strip() == "" for line in lines)


def test_marks_stand_over_the_curve() -> None:
    text = Plot(curve=FALLING, marks=[(1.0, 5.0), (300.0, 3.0)], last=300).text().plain
    assert text.count("●") == 2


def test_a_plain_terminal_gets_plain_characters() -> None:
    text = Plot(curve=FALLING, marks=[(1.0, 5.0)], last=300, plain=True).text().plain
    assert text.isascii() and "*" in text and "o" in text


@pytest.mark.parametrize("curve", [[(1.0, 3.0)], [(1.0, 3.0), (2.0, 3.0)]])
def test_a_curve_of_one_number_has_an_axis_around_it(curve: list[tuple[float, float]]) -> None:
    text = Plot(curve=curve, marks=[], last=2).text().plain
    assert "3.5000" in text and "2.5000" in text


def test_nothing_to_show_is_nothing() -> None:
    assert Plot(curve=[], marks=[], last=10).text().plain == ""


def test_thinning_keeps_the_mean() -> None:
    noisy = [(step, 2.0 + math.sin(step * 2.1)) for step in range(1, 5001)]
    found = thinned(noisy, 20, 5000)
    assert len(found) == 20 and all(abs(y - 2.0) < 0.05 for _, y in found)
