"""CRC-32C and CRC-64/NVME: the catalogue's check values, and one byte at a time as the oracle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.identity.crc import BLOCK, CRC32C, CRC64NVME, Crc, Polynomial


def bit_by_bit(polynomial: Polynomial, data: bytes) -> bytes:
    ones = (1 << 8 * polynomial.width_bytes) - 1
    register = ones
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (polynomial.reflected if register & 1 else 0)
    return (register ^ ones).to_bytes(polynomial.width_bytes, "big")


@pytest.mark.parametrize(
    ("polynomial", "check"), [(CRC32C, "e3069283"), (CRC64NVME, "ae8b14860a799888")], ids=["crc32c", "crc64nvme"]
)
def test_the_check_value_is_the_published_one(polynomial: Polynomial, check: str) -> None:
    crc = Crc(polynomial)
    crc.update(b"123456789")
    assert crc.digest().hex() == check


def test_nothing_has_the_crc_zero() -> None:
    assert Crc(CRC32C).digest() == bytes(4)


@given(st.lists(st.binary(max_size=40), max_size=5))
@settings(max_examples=50, deadline=None)
def test_short_pieces_agree_with_the_definition(pieces: list[bytes]) -> None:
    for polynomial in (CRC32C, CRC64NVME):
        crc = Crc(polynomial)
        for piece in pieces:
            crc.update(piece)
        assert crc.digest() == bit_by_bit(polynomial, b"".join(pieces))


@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 9])
def test_blocks_agree_with_the_definition(length: int) -> None:
    data = bytes((position * 7919 + position // 251) & 0xFF for position in range(length))
    crc = Crc(CRC64NVME)
    crc.update(data)
    assert crc.digest() == bit_by_bit(CRC64NVME, data)
