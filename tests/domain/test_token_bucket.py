"""Nobody spends more than was bought, everybody can spend what was; whatever the times and sums."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.token_bucket import BURST_S, Bucket, filled, full, paid, resized, returned, spent, wait_s

SHARE = st.floats(0.01, 1.0)
COST = st.floats(0.0, 200.0)
PAUSE = st.floats(0.0, 500.0)


@given(share=SHARE, requests=st.lists(st.tuples(PAUSE, COST), max_size=40))
def test_nobody_spends_more_than_a_full_bucket_and_what_time_brings(
    share: float, requests: list[tuple[float, float]]
) -> None:
    bucket, now, total, largest = full(share, 0.0), 0.0, 0.0, 0.0
    for pause, cost in requests:
        now += pause
        after = paid(bucket, cost, now)
        if after is not None:
            bucket, total, largest = after, total + cost, max(largest, cost)
        assert filled(bucket, now).level_s <= bucket.most_s + 1e-6
        assert total <= share * (BURST_S + now) + largest + 1e-6  # one request larger than a bucket makes a debt


@given(share=SHARE, costs=st.lists(COST, max_size=20), cost=COST)
def test_what_is_told_to_wait_is_paid_after_waiting_and_not_much_before(
    share: float, costs: list[float], cost: float
) -> None:
    bucket = full(share, 0.0)
    for other in costs:
        bucket = paid(bucket, other, 0.0) or bucket
    wait = wait_s(bucket, cost, 0.0)
    assert paid(bucket, cost, wait * (1 + 1e-9) + 1e-6) is not None
    if wait > 1e-3:
        assert paid(bucket, cost, wait * 0.99 - 1e-4) is None


@given(share=SHARE, level=st.floats(-100.0, 0.0), first=PAUSE, second=PAUSE)
def test_filling_twice_is_filling_once(share: float, level: float, first: float, second: float) -> None:
    bucket = Bucket(share=share, level_s=level, at=0.0)
    twice = filled(filled(bucket, first), first + second)
    once = filled(bucket, first + second)
    assert twice.level_s == pytest.approx(once.level_s) and twice.at == pytest.approx(once.at)


@given(share=SHARE, cost=COST, unused=st.floats(0.0, 1.0))
def test_what_was_not_needed_is_there_again_and_never_more(share: float, cost: float, unused: float) -> None:
    after = paid(full(share, 0.0), cost, 0.0)
    assert after is not None, "a full bucket pays anything"
    back = returned(after, unused * cost, 0.0)
    assert back.level_s == pytest.approx(min(back.most_s, back.most_s - (1 - unused) * cost), abs=1e-6)


def test_time_that_goes_back_changes_nothing() -> None:
    bucket = Bucket(share=0.5, level_s=1.0, at=10.0)
    assert filled(bucket, 3.0) == bucket


def test_an_empty_share_never_pays_and_says_so() -> None:
    bucket = paid(full(0.0, 0.0), 1.0, 0.0) or full(0.0, 0.0)
    assert paid(bucket, 1.0, 1e9) is None
    assert wait_s(bucket, 1.0, 0.0) == float("inf")


def test_another_share_fills_at_its_own_pace_and_keeps_what_fits() -> None:
    bucket = resized(full(0.5, 0.0), 0.1, 10.0)
    assert (bucket.level_s, bucket.most_s) == (pytest.approx(6.0), pytest.approx(6.0))
    more = resized(Bucket(share=0.1, level_s=1.0, at=0.0), 0.5, 10.0)
    assert more.level_s == pytest.approx(2.0) and filled(more, 12.0).level_s == pytest.approx(3.0)


@given(share=SHARE, work_s=COST, burst_s=st.floats(0.1, 10.0))
def test_work_that_is_done_makes_a_debt_that_its_share_pays_off(share: float, work_s: float, burst_s: float) -> None:
    """So a pace is held: after work that takes so long, as many seconds go by as the share needs to bring that in."""
    begun = Bucket(share=share, level_s=0.0, at=0.0, burst_s=burst_s)
    after = spent(begun, work_s, 0.0)
    assert filled(after, work_s / share).level_s == pytest.approx(0.0, abs=1e-6)
    assert filled(after, work_s / share + 2 * burst_s).level_s == pytest.approx(begun.most_s)
