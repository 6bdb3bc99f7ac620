"""A piece holds rows as they were rendered, and says of each what of it is learnt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.prepared.piece import Span, from_bytes, piece_of
from outcrop.text import Rendered

ROW = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.booleans()), min_size=1, max_size=12)
SPAN = Span(first_line=41, lines=7, start=1 << 33, end=(1 << 33) + 9)


def rows_of(raw: list[list[tuple[int, bool]]]) -> list[Rendered]:
    return [Rendered([token for token, _ in row], [learnt for _, learnt in row]) for row in raw]


@given(st.lists(ROW, max_size=12))
def test_rows_come_back_up_to_the_last_token_that_is_learnt(raw: list[list[tuple[int, bool]]]) -> None:
    rows = rows_of(raw)
    found = from_bytes(piece_of(rows, SPAN, truncated_rows=3, empty_answers=2).to_bytes())
    assert (found.span, found.truncated_rows, found.empty_answers, len(found)) == (SPAN, 3, 2, len(rows))
    for at, row in enumerate(rows):
        learnt = [False, *row.trained[1:]]  # nothing comes before a first token
        ends = max((place + 1 for place, is_learnt in enumerate(learnt) if is_learnt), default=1)
        ids, trained = found.row(at)
        assert ids.tolist() == row.ids[:ends] and trained.tolist() == learnt[:ends]
        assert (found.lengths[at], found.counts[at], found.ends[at]) == (len(row.ids), sum(learnt), ends)


def test_lines_of_rows_that_teach_nothing_are_known() -> None:
    rows = [Rendered([1, 2], [False, learnt]) for learnt in (True, False, True, False)]
    assert piece_of(rows, SPAN).bare_lines == [42, 44]


def test_a_piece_cut_anywhere_or_of_another_format_is_refused() -> None:
    whole = piece_of([Rendered([1, 2], [False, True])], SPAN).to_bytes()
    for size in range(len(whole)):
        with pytest.raises(ValueError, match="prepared rows"):
            from_bytes(whole[:size])
    with pytest.raises(ValueError, match="of this format"):
        from_bytes(whole[:7] + b"\xff" + whole[8:])
