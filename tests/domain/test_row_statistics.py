"""Rows are counted as they are trained."""

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.row_statistics import RowStatistics
from outcrop.text.rows import TokenRows
from outcrop.training.batches import Rows

MASKS = st.lists(st.lists(st.booleans(), min_size=2, max_size=12), min_size=1, max_size=8)


@given(MASKS)
def test_what_is_counted_is_what_the_engine_trains(masks: list[list[bool]]) -> None:
    flat = [learnt for mask in masks for learnt in mask]
    rows = Rows(
        TokenRows(
            tokens=np.arange(len(flat), dtype=np.uint32),
            trained=np.array(flat, dtype=np.uint8),
            offsets=np.array([0, *accumulate(map(len, masks))], dtype=np.int64),
        )
    )
    batches = [next(rows.batches([row], 1)) for row in range(len(rows))]
    counted = RowStatistics.of(masks)
    assert counted.trained_tokens == rows.trained_tokens
    assert counted.computed_tokens == sum(batch.tokens for batch in batches)
    assert counted.longest == max(batch.tokens for batch in batches)
    assert counted.squares == sum(batch.tokens**2 for batch in batches)
    assert (counted.rows, counted.tokens) == (len(masks), len(flat))


@given(MASKS, st.integers(0, 8))
def test_parts_counted_apart_add_up(masks: list[list[bool]], cut: int) -> None:
    assert RowStatistics.of(masks[:cut]) + RowStatistics.of(masks[cut:]) == RowStatistics.of(masks)


def test_a_row_without_anything_to_learn_computes_nothing() -> None:
    assert RowStatistics.of_row([True, False, False]) == RowStatistics(rows=1, tokens=3)
