from hypothesis import given
from hypothesis import strategies as st

from outcrop.corpus.words import Words

WORDS = ("User:", "Bot:", "<image>", "[EOS]", "\nHuman:", "plain", "a:b:")


@given(
    st.lists(st.sampled_from([*WORDS, "User", ":", "<", "im", "age>", "[", "EOS]", "x", "\n", "Human"])).map("".join)
)
def test_words_are_found_where_they_are(text):
    words = Words(WORDS)
    held = [word for word in WORDS if word in text]
    assert words.are_in(text) == bool(held)
    assert words.first_in(text) == (held[0] if held else None)


def test_without_words_nothing_is_found():
    assert not Words(()).are_in("User:")
