"""Backlogged flows are served by their weights, and nobody's place is lost to whoever comes with more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.fair_order import Order, forgotten, returned, stamped, taken

Waiting = list[tuple[float, str, float]]
FLOWS = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 8), min_size=2)


def queued(order: Order, flow: str, weight: float, works: list[float]) -> tuple[Order, Waiting]:
    waiting = []
    for work in works:
        order, stamp = stamped(order, flow, work, weight)
        waiting.append((stamp, flow, work))
    return order, waiting


@given(weights=FLOWS, works=st.lists(st.floats(0.5, 2.0), min_size=60, max_size=60))
def test_backlogged_flows_get_work_by_weight(weights: dict[str, int], works: list[float]) -> None:
    order, waiting = Order(), []
    for flow, weight in weights.items():
        order, more = queued(order, flow, weight, works)
        waiting += more
    got = dict.fromkeys(weights, 0.0)
    for stamp, flow, work in sorted(waiting)[: len(works)]:  # nobody's backlog ends so soon
        order = taken(order, stamp)
        got[flow] += work
    pace = {flow: got[flow] / weight for flow, weight in weights.items()}
    largest = max(works) * sum(1 / weight for weight in sorted(weights.values())[:2])
    assert max(pace.values()) - min(pace.values()) <= largest + 1e-6


@given(backlog=st.integers(1, 500), served=st.integers(0, 20))
def test_a_newcomer_waits_for_one_of_a_flood_not_for_all_of_it(backlog: int, served: int) -> None:
    order, waiting = queued(Order(), "flood", 1, [1.0] * (backlog + served))
    for stamp, _, _ in waiting[:served]:
        order = taken(order, stamp)
    _, newcomer = stamped(order, "new", 1.0, 1)
    assert sum(stamp < newcomer for stamp, _, _ in waiting[served:]) == 0


def test_whoever_was_away_comes_back_without_credit_and_without_debt() -> None:
    order, waiting = queued(Order(), "a", 1, [1.0] * 10)
    order, _ = queued(order, "b", 1, [5.0])
    for stamp, _, _ in waiting:
        order = taken(order, stamp)
    order = forgotten(order, "b")
    _, back = stamped(order, "b", 1.0, 1)
    assert back == waiting[-1][0]


@given(promised=st.floats(1.0, 9.0), part=st.floats(0.0, 1.0), weight=st.integers(1, 8))
def test_what_was_promised_and_not_needed_moves_the_next_turn_back(promised: float, part: float, weight: int) -> None:
    order, first = stamped(Order(), "short", promised, weight)
    order = returned(taken(order, first), "short", promised * part, weight)
    _, following = stamped(order, "short", 1.0, weight)
    assert following == pytest.approx(promised * (1 - part) / weight, abs=1e-9)
    assert returned(order, "gone", promised, weight) == order
