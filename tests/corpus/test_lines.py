import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.corpus import lines as module
from outcrop.corpus.lines import LONGEST_LINE, lines


class Dribble(io.BytesIO):
    """A source that gives little at a time."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(3)


@given(st.lists(st.binary(max_size=8).map(lambda each: each.replace(b"\n", b""))))
def test_lines_are_what_stands_between_newlines(pieces):
    data = b"\n".join(pieces)
    wanted = [(piece, len(piece)) for piece in pieces]
    if wanted and not pieces[-1]:
        wanted.pop()
    assert list(lines(io.BytesIO(data))) == wanted == list(lines(Dribble(data)))


def test_the_reader_is_told_how_far_it_is():
    seen: list[int] = []
    data = b"x\n" * 600_000
    assert sum(1 for _ in lines(io.BytesIO(data), seen.append)) == 600_000
    assert sum(seen) == len(data) and max(seen) <= module.CHUNK_BYTES


@pytest.mark.parametrize("end", [b"", b"\n", b"\nnext\n"])
def test_a_line_too_long_to_hold_is_skipped_and_its_size_told(end):
    data = b"a\n" + b"x" * (LONGEST_LINE + 1) + end
    found = list(lines(io.BytesIO(data)))
    assert found[:2] == [(b"a", 1), (None, LONGEST_LINE + 1)]
    assert [line for line, _ in found[2:]] == ([b"next"] if b"next" in end else [])


def test_the_longest_line_is_held():
    assert next(lines(io.BytesIO(b"x" * LONGEST_LINE)))[0] is not None
