"""No row is dropped, padded or mixed up; only what can teach goes through the model."""

from collections.abc import Callable, Sequence

import pytest

from outcrop.domain.errors import JobFailure
from outcrop.text import Rendered
from outcrop.training.batches import Rows
from outcrop.training.order import epoch_order

Make = Callable[[Sequence[Rendered]], Rows]


def test_every_row_is_in_one_batch_and_the_last_batch_holds_the_rest(make_rows: Make, rows: list[Rendered]) -> None:
    held = make_rows(rows)
    batches = list(held.batches(epoch_order(12, 0, 0), 5))
    assert [len(batch.rows) for batch in batches] == [5, 5, 2]
    assert sorted(row for batch in batches for row in batch.rows) == list(range(12))
    assert sum(batch.trained_tokens for batch in batches) == held.trained_tokens == 36


def test_an_order_depends_on_seed_and_epoch_alone() -> None:
    orders = [epoch_order(50, seed, epoch).tolist() for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 3


def test_a_piece_says_what_each_wanted_token_predicts(make_rows: Make) -> None:
    rows = [
        Rendered([1, 10, 11, 12, 13], [False, False, True, False, True]),
        Rendered([1, 20, 21, 22], [False, True, False, False]),
    ]
    held = make_rows(rows)
    (batch,) = held.batches([1, 0], 2)
    (piece,) = held.pieces(batch)
    assert piece.packed.lengths == (1, 4)  # what follows the last trained token is left out
    assert piece.packed.tokens.tolist() == [1, 1, 10, 11, 12]
    assert piece.packed.positions.tolist() == [0, 0, 1, 2, 3]
    assert piece.wanted.tolist() == [0, 2, 4]
    assert piece.targets.tolist() == [20, 11, 13]


def test_pieces_keep_to_the_budget_and_a_longer_row_is_alone(make_rows: Make) -> None:
    held = make_rows([Rendered([1] * size, [False] + [True] * (size - 1)) for size in (4, 4, 30, 4)])
    (batch,) = held.batches(range(4), 4)
    assert [piece.packed.lengths for piece in held.pieces(batch, budget=8)] == [(3, 3), (29,), (3,)]


def test_a_first_token_is_never_learnt(make_rows: Make) -> None:
    held = make_rows([Rendered([1, 2, 3], [True, True, True])])
    assert held.trained_tokens == 2


def test_rows_with_nothing_to_learn_are_counted_and_named(make_rows: Make) -> None:
    bare = Rendered([1, 44, 45], [False, False, False])
    held = make_rows([Rendered([1, 2], [False, True]), bare, bare])
    with pytest.raises(JobFailure, match=r"2 of the 3 training rows .*rows 2, 3") as caught:
        held.require_trained("training")
    assert "44" not in str(caught.value)


def test_no_rows_at_all_are_refused(make_rows: Make) -> None:
    with pytest.raises(JobFailure, match="validation rows are empty"):
        make_rows([]).require_trained("validation")
