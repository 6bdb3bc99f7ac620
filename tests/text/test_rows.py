import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.text import Rendered, read_rows, write_rows

ROW = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.booleans()), max_size=20)


def rows_of(raw) -> list[Rendered]:
    return [Rendered([token for token, _ in row], [learnt for _, learnt in row]) for row in raw]


@given(st.lists(ROW, max_size=20))
def test_rows_come_back_as_they_went(raw):
    rows, buffer = rows_of(raw), io.BytesIO()
    summary = write_rows(iter(rows), buffer)
    found = read_rows(io.BytesIO(buffer.getvalue()))
    assert len(found) == len(rows) == summary.rows
    for at, row in enumerate(rows):
        start, end = found.offsets[at], found.offsets[at + 1]
        assert found.tokens[start:end].tolist() == row.ids
        assert found.trained[start:end].astype(bool).tolist() == row.trained
    assert summary.tokens == len(found.tokens) and summary.trained_tokens == found.trained.sum()
    assert summary.longest == max((len(row.ids) for row in rows), default=0)
    assert found.tokens.dtype == np.uint32 and found.trained.dtype == np.uint8 and found.offsets.dtype == np.int64


def test_many_blocks_make_one_table():
    buffer = io.BytesIO()
    write_rows((Rendered([at] * 1000, [True] * 1000) for at in range(200)), buffer)
    found = read_rows(io.BytesIO(buffer.getvalue()))
    assert len(found) == 200 and found.tokens[199_999] == 199


def test_a_stream_cut_anywhere_is_noticed():
    buffer = io.BytesIO()
    write_rows([Rendered([1, 2], [False, True])], buffer)
    whole = buffer.getvalue()
    for size in range(len(whole)):
        with pytest.raises(ValueError, match="token rows"):
            read_rows(io.BytesIO(whole[:size]))


def test_false_totals_are_noticed():
    buffer = io.BytesIO()
    write_rows([Rendered([1, 2], [False, True])], buffer)
    whole = bytearray(buffer.getvalue())
    whole[-1] ^= 1
    with pytest.raises(ValueError, match="its end says"):
        read_rows(io.BytesIO(bytes(whole)))
