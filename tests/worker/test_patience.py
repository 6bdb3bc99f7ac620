"""What fails is tried again ever more seldom, and hopeless only after several deaths in a row."""

import time

import pytest

from outcrop.worker import patience
from outcrop.worker.patience import Refusals, Rest


def test_an_engine_rests_twice_as_long_after_each_death_up_to_a_limit() -> None:
    rest = Rest()
    for rests_s in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, patience.LONGEST_REST_S, patience.LONGEST_REST_S):
        before = time.monotonic()
        rest.after_death(0.1, "status 1")
        assert before + rests_s <= rest.until <= time.monotonic() + rests_s


def test_hopeless_is_said_after_deaths_in_a_row_and_says_why() -> None:
    rest = Rest()
    for _ in range(patience.HOPELESS_AFTER - 1):
        rest.after_death(0.1, "status 1")
    assert rest.hopeless is None
    rest.after_death(0.1, "status 1")
    assert rest.hopeless == "The engine does not start: status 1."


def test_an_engine_that_had_worked_for_long_is_not_hopeless() -> None:
    rest = Rest(deaths=9, hopeless="old")
    rest.after_death(patience.FORGIVEN_AFTER_S + 1, "signal 9")
    assert (rest.deaths, rest.hopeless) == (1, None)


def test_a_refusal_is_logged_once_and_stands_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals()
    for _ in range(3):
        refusals.add("abc", "its key is disabled")
    assert (refusals.of("abc"), refusals.stands("abc"), caplog.text.count("disabled")) == (
        "its key is disabled",
        True,
        1,
    )
    refusals.forget("abc")
    assert (refusals.of("abc"), refusals.stands("abc")) == (None, False)


def test_one_death_while_loading_is_chance_and_three_are_not() -> None:
    refusals = Refusals()
    for _ in range(patience.HOPELESS_AFTER - 1):
        refusals.count_death("abc")
    assert refusals.of("abc") is None
    refusals.count_death("abc")
    assert "ended each time" in (refusals.of("abc") or "")
