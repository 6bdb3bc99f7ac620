"""A unit is a share of the machine; what cannot be kept is refused with the numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.model_units import SHARES, UNITS_FOR_SALE, Capacity, left_over, refusal, share_of


def test_at_least_sixteen_units_are_kept_and_a_part_is_never_sold() -> None:
    assert 16 <= UNITS_FOR_SALE < SHARES


@given(sold=st.integers(0, UNITS_FOR_SALE), asked=st.integers(1, 2 * UNITS_FOR_SALE))
def test_what_is_sold_and_what_is_left_are_never_more_than_the_machine(sold: int, asked: int) -> None:
    if refusal(asked, sold) is None:
        sold += asked
    assert sold <= UNITS_FOR_SALE
    assert share_of(sold) + share_of(left_over(sold)) <= 1.0


def test_a_refusal_names_what_was_asked_what_is_sold_and_what_is_free() -> None:
    told = refusal(3, UNITS_FOR_SALE - 2)
    assert told is not None
    assert told.startswith("3 model units were asked for; this machine keeps 16, of which 14 are sold and 2 are free.")
    assert "Ask for 2 at most" in told
    assert "Ask for" not in (refusal(1, UNITS_FOR_SALE) or "")


def test_more_than_is_for_sale_may_be_sold_since_before_there_was_an_end() -> None:
    told = refusal(1, 40)
    assert told is not None and "40 are sold and 0 are free" in told
    assert left_over(40) == SHARES - UNITS_FOR_SALE


def test_work_is_time_of_a_full_batch() -> None:
    capacity = Capacity(input_tokens_s=1000.0, output_tokens_s=100.0)
    assert capacity.work_s(500, 25) == pytest.approx(0.75)


@pytest.mark.parametrize("rates", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_no_capacity_is_none(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Capacity(input_tokens_s=rates[0], output_tokens_s=rates[1])
