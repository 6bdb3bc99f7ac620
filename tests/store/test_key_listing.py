"""Lists of keys, against the plainest way to make them."""

from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.store.key_listing import KeyPage, Question, list_keys

KEYS = st.lists(st.text("ab/é\x00", min_size=1, max_size=6).map(str.encode), unique=True, max_size=30).map(sorted)
SHORT = st.text("ab/", max_size=2).map(str.encode)


def page_of(keys: list[bytes], question: Question, calls: list[int] | None = None) -> KeyPage[bytes]:
    def fetch(start: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        if calls is not None:
            calls.append(limit)
        first = bisect_left(keys, start)
        return [(key, key) for key in keys[first : first + limit]]

    return list_keys(fetch, question)


def everything(keys: list[bytes], prefix: bytes, delimiter: bytes) -> list[bytes]:
    """Keys and common prefixes, in order, each once."""
    found = []
    for key in keys:
        if key.startswith(prefix):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            found.append(key if cut < 0 else key[: cut + len(delimiter)])
    return sorted(set(found))


@settings(max_examples=300)
@given(keys=KEYS, prefix=SHORT, delimiter=SHORT, limit=st.integers(1, 5))
def test_pages_together_are_everything_once(keys: list[bytes], prefix: bytes, delimiter: bytes, limit: int) -> None:
    got, after = [], b""
    while True:
        page = page_of(keys, Question(prefix=prefix, delimiter=delimiter, after=after, limit=limit))
        assert len(page) <= limit
        got += sorted(page.rows + page.prefixes)
        if not page.truncated:
            break
        assert len(page) == limit
        after = page.last
    assert got == everything(keys, prefix, delimiter)


@given(keys=KEYS, after=st.text("ab/", min_size=1, max_size=4).map(str.encode))
def test_without_a_delimiter_the_list_begins_after_the_given_key(keys: list[bytes], after: bytes) -> None:
    assert page_of(keys, Question(after=after)).rows == [key for key in keys if key > after]


def test_a_common_prefix_costs_one_fetch_however_many_keys_it_holds() -> None:
    keys = sorted(f"{letter}/{number:05}".encode() for letter in "abc" for number in range(5000))
    calls: list[int] = []
    page = page_of(keys, Question(delimiter=b"/"), calls)
    assert page.prefixes == [b"a/", b"b/", b"c/"]
    assert len(calls) == 4


def test_a_limit_of_nothing_is_an_empty_page_that_is_not_cut_off() -> None:
    page = page_of([b"a"], Question(limit=0))
    assert (len(page), page.truncated) == (0, False)
