"""An epoch's order holds every row once, and opens every piece once however little memory there is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.training.order import epoch_order, windowed_order

PIECES = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 50)), min_size=1, max_size=20)


def loads(order: list[int], rows: list[int], sizes: list[int], capacity: int) -> int:
    """How often a piece is opened that is not among those used last, where `capacity` bytes of these are kept."""
    piece_of = np.repeat(np.arange(len(rows)), rows)
    held: list[int] = []
    opened = 0
    for row in order:
        piece = int(piece_of[row])
        if piece in held:
            held.remove(piece)
        else:
            opened += 1
            while held and sum(sizes[other] for other in held) + sizes[piece] > capacity:
                held.pop(0)
        held.append(piece)
    return opened


@given(PIECES, st.integers(1, 200), st.integers(0, 3))
def test_every_row_comes_once_and_every_piece_is_opened_once(
    pieces: list[tuple[int, int]], capacity: int, epoch: int
) -> None:
    rows, sizes = [count for count, _ in pieces], [size for _, size in pieces]
    order = windowed_order(rows, sizes, capacity, 7, epoch).tolist()
    assert sorted(order) == list(range(sum(rows)))
    assert loads(order, rows, sizes, capacity) == sum(count > 0 for count in rows)


def test_a_set_that_fits_is_shuffled_whole() -> None:
    rows, sizes = [5, 6, 7], [10, 10, 10]
    assert windowed_order(rows, sizes, 30, 3, 1).tolist() == epoch_order(18, 3, 1).tolist()
    assert windowed_order(rows, sizes, 29, 3, 1).tolist() != epoch_order(18, 3, 1).tolist()


@pytest.mark.parametrize("capacity", [100, 1000])
def test_an_order_depends_on_seed_and_epoch_alone(capacity: int) -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(windowed_order([10] * 20, [40] * 20, capacity, seed, epoch).tolist())

    assert order(1, 0) == order(1, 0)
    assert len({order(1, 0), order(1, 1), order(2, 0)}) == 3


def test_rows_of_a_window_are_mixed() -> None:
    order = windowed_order([100] * 8, [10] * 8, 40, 0, 0)
    first_window = order[:400] // 100  # the piece of each row
    assert len(set(first_window.tolist())) == 4
    assert len(set(first_window[:20].tolist())) == 4
