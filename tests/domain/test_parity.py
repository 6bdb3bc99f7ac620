"""The gate's arithmetic tells rounding from another model."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from outcrop.domain.parity import TIMES_BASE, Difference, Rows, measure
from outcrop.domain.probes import Place, Probe, Probes

BASE: Place = {7: -1.0, 8: -2.0, 9: -3.0}
MODEL: Place = {7: -3.0, 8: -0.5, 9: -2.0}
ROUNDING = 1e-3
PROBES = Probes(rows=(Probe(tokens=(1, 7, 8), prompt=2, base=(BASE, BASE), model=(MODEL, MODEL)),) * 2)


def heard(place: Place, change: Callable[[float], float] = lambda chance: chance) -> Rows:
    return [[{token: change(chance) for token, chance in place.items()}] * 2] * 2


def rounded(place: Place, times: float = 1.0) -> Rows:
    return heard(place, lambda chance: chance + times * ROUNDING)


def test_a_model_that_differs_as_its_base_does_holds() -> None:
    parity = measure(PROBES, rounded(BASE), rounded(MODEL, 3))
    assert parity.holds
    assert parity.base.mean == pytest.approx(ROUNDING) and parity.own.largest == pytest.approx(3 * ROUNDING)
    assert (parity.count, parity.rows) == (12, 2)


def test_a_model_further_from_its_trainer_than_its_base_allows_does_not() -> None:
    assert not measure(PROBES, rounded(BASE), rounded(MODEL, 2 * TIMES_BASE)).holds


def test_one_answer_that_is_far_off_among_many_near_ones_is_enough() -> None:
    off = [[*rounded(MODEL)[0]], [dict(MODEL), {**MODEL, 9: -2.0 + 20 * TIMES_BASE * ROUNDING}]]
    parity = measure(PROBES, rounded(BASE), off)
    assert not parity.holds
    assert parity.own.largest == pytest.approx(20 * TIMES_BASE * ROUNDING)


def test_a_model_nearer_to_its_base_than_to_its_trainer_does_not_hold_though_the_base_itself_is_as_far_off() -> None:
    shifted = Probes(
        rows=tuple(
            replace(row, model=tuple({token: chance - 1.5 for token, chance in place.items()} for place in row.base))
            for row in PROBES.rows
        )
    )
    noisy, between = heard(BASE, lambda chance: chance + 0.24), heard(BASE, lambda chance: chance - 0.6)
    parity = measure(shifted, noisy, between)
    assert parity.own.mean < parity.allowed.mean and parity.own.largest < parity.allowed.largest
    assert parity.to_base.mean < parity.own.mean
    assert not parity.holds


def test_another_base_is_said_as_such() -> None:
    parity = measure(PROBES, heard(BASE, lambda chance: chance + 1.0), heard(MODEL))
    assert not parity.holds
    assert parity.sentence("The engine").startswith("The engine has another base model than the training had")


def test_a_model_that_training_hardly_moved_holds_though_it_is_as_near_to_its_base() -> None:
    still = Probes(rows=tuple(replace(row, model=row.base) for row in PROBES.rows))
    assert measure(still, rounded(BASE), rounded(BASE, 2)).holds


def moved_by(times: float) -> Probes:
    """A model that training moved by so many times what the base is off by, now up and now down."""
    model = {token: chance + (-1) ** token * times * ROUNDING for token, chance in BASE.items()}
    return Probes(rows=tuple(replace(row, model=(model, model)) for row in PROBES.rows))


@pytest.mark.parametrize("times", [1.5, 3.0])
def test_a_lost_adapter_is_noticed_though_training_moved_the_model_by_less_than_is_allowed(times: float) -> None:
    probes = moved_by(times)
    lost = measure(probes, rounded(BASE), rounded(BASE))
    assert lost.moved.mean < lost.allowed.mean and lost.own.mean < lost.allowed.mean
    assert not lost.holds
    assert measure(probes, rounded(BASE), rounded(probes.rows[0].model[0])).holds


def test_a_token_that_was_not_heard_is_no_likelier_than_the_last_that_was() -> None:
    stated = [[{7: -1.0, 8: -4.0}]]
    assert Difference.between(stated, [[{7: -1.0, 9: -5.0}]]).largest == pytest.approx(1.0)
    assert Difference.between(stated, [[{7: -1.0, 9: -3.0}]]).largest == 0.0


def test_a_row_that_goes_on_unlikely_does_not_stand_for_the_likeliest() -> None:
    """Two tokens that are all but equally likely may change places at the end of the list: that is rounding."""
    listed = {1: -0.5, 2: -2.0, 3: -3.0}
    heard_place = {**listed, 4: -4.000, 99: -20.0}  # 99 goes on in the row; 4 took the place of 5
    stated_place = {**listed, 5: -3.999, 99: -20.0}
    assert Difference.between([[stated_place]], [[heard_place]]).largest == pytest.approx(0.001)


def test_what_is_no_number_never_holds() -> None:
    assert not measure(PROBES, rounded(BASE), heard(MODEL, lambda _: math.nan)).holds
    assert not measure(PROBES, heard(BASE, lambda _: math.nan), rounded(MODEL)).holds


def test_the_sentence_says_who_and_how_much() -> None:
    sentence = measure(PROBES, rounded(BASE), heard(BASE)).sentence("The engine")
    assert sentence.startswith("The engine does not answer as the model was trained: over 12 log-probabilities of 2")
    assert "1.5 nats from the trainer on average" in sentence and "training moved it by 1.5" in sentence
