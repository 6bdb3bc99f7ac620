"""Checksums, against published values and against themselves."""

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.store.checksums import (
    ALGORITHMS,
    COMPOSITE,
    FULL_OBJECT,
    Digests,
    PartSum,
    allowed_types,
    default_type,
    of_whole,
)

CHECK = b"123456789"
PUBLISHED = {  # the catalogues' check values for the nine digits
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
}


def checksum(algorithm: str, data: bytes) -> str:
    digests = Digests([algorithm])
    digests.update(data)
    return digests.checksums()[algorithm]


@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_a_checksum_is_the_published_one(algorithm: str) -> None:
    assert base64.b64decode(checksum(algorithm, CHECK)).hex() == PUBLISHED[algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_crumbs_add_up(algorithm: str) -> None:
    digests = Digests([algorithm])
    for byte in CHECK:
        digests.update(bytes([byte]))
    assert digests.checksums() == {algorithm: checksum(algorithm, CHECK)}
    assert digests.checksums() == {algorithm: checksum(algorithm, CHECK)}  # asking twice changes nothing
    assert digests.md5.hex() == PUBLISHED["MD5"]


@given(parts=st.lists(st.binary(max_size=50), min_size=1, max_size=6))
@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_the_parts_crcs_join_into_the_wholes(algorithm: str, parts: list[bytes]) -> None:
    sums = [PartSum(checksum(algorithm, part), len(part)) for part in parts]
    assert of_whole(algorithm, FULL_OBJECT, sums) == checksum(algorithm, b"".join(parts))


def test_a_composite_is_the_checksum_of_the_checksums_and_their_count() -> None:
    sums = [PartSum(checksum("CRC32", part), len(part)) for part in (b"one", b"two")]
    joined = zlib.crc32(zlib.crc32(b"one").to_bytes(4) + zlib.crc32(b"two").to_bytes(4)).to_bytes(4)
    assert of_whole("CRC32", COMPOSITE, sums) == base64.b64encode(joined).decode() + "-2"


def test_types_are_s3s() -> None:
    assert default_type("CRC64NVME") == FULL_OBJECT
    assert default_type("CRC32") == COMPOSITE
    assert allowed_types("CRC64NVME") == {FULL_OBJECT}
    assert allowed_types("CRC32C") == {FULL_OBJECT, COMPOSITE}
    assert allowed_types("SHA256") == {COMPOSITE}
