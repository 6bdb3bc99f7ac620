import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


def streamed(tokenizer, ids):
    stream = tokenizer.stream()
    return [stream.push(token) for token in ids] + [stream.finish()]


@settings(deadline=None)
@given(UNICODE)
def test_pieces_join_to_the_text(tokenizer, text):
    assert "".join(streamed(tokenizer, tokenizer.encode(text))) == text


@settings(deadline=None)
@given(st.lists(st.integers(0, 300)))
def test_any_tokens_stream_as_they_decode(tokenizer, ids):
    assert "".join(streamed(tokenizer, ids)) == tokenizer.decode(ids)


@settings(deadline=None)
@given(UNICODE.filter(lambda text: "▁" not in text))
def test_pieces_join_to_the_text_with_byte_fallback(fallback_tokenizer, text):
    ids = fallback_tokenizer.encode(text)
    assert "".join(streamed(fallback_tokenizer, ids)) == fallback_tokenizer.decode(ids)


@pytest.mark.parametrize("name", ["tokenizer", "fallback_tokenizer"])
def test_no_piece_holds_half_a_character(request, name):
    tokenizer = request.getfixturevalue(name)
    pieces = streamed(tokenizer, tokenizer.encode("a東京😀"))
    assert "".join(pieces) == "a東京😀" and not any("\ufffd" in piece for piece in pieces)


def test_special_tokens_are_silent(tokenizer, fallback_tokenizer):
    for each in (tokenizer, fallback_tokenizer):
        ids = [each.bos_id, *each.encode("the fox"), each.eos_id]
        assert "".join(streamed(each, ids)) == "the fox"


def test_an_added_token_that_is_not_special_is_text(tokenizer):
    ids = tokenizer.encode("<think>ok")
    assert "".join(streamed(tokenizer, ids)) == "<think>ok" and len(ids) == 3


def test_an_unfinished_character_is_replaced_at_the_end(tokenizer):
    ids = tokenizer.encode("東")[:1]
    assert "".join(streamed(tokenizer, ids)) == "\ufffd"
