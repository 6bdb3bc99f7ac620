"""Small sealed messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.errors import SealBroken
from outcrop.sealed import new_key, open_bytes, seal_bytes

KEY = bytes(range(32))


@given(plaintext=st.binary(max_size=200), context=st.binary(max_size=40))
def test_what_was_sealed_opens_again(plaintext: bytes, context: bytes) -> None:
    assert open_bytes(KEY, seal_bytes(KEY, plaintext, context), context) == plaintext


@given(data=st.data(), plaintext=st.binary(max_size=60))
def test_a_flipped_bit_anywhere_is_refused(data: st.DataObject, plaintext: bytes) -> None:
    sealed = bytearray(seal_bytes(KEY, plaintext, b"here"))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealBroken):
        open_bytes(KEY, bytes(sealed), b"here")


def test_a_message_cut_anywhere_is_refused() -> None:
    sealed = seal_bytes(KEY, b"secret", b"here")
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_bytes(KEY, sealed[:length], b"here")


def test_another_context_or_key_is_refused() -> None:
    sealed = seal_bytes(KEY, b"secret", b"here")
    with pytest.raises(SealBroken):
        open_bytes(KEY, sealed, b"there")
    with pytest.raises(SealBroken):
        open_bytes(new_key(), sealed, b"here")


def test_the_same_words_never_look_the_same_twice() -> None:
    assert seal_bytes(KEY, b"secret", b"") != seal_bytes(KEY, b"secret", b"")
    assert new_key() != new_key()
    assert len(new_key()) == 32
