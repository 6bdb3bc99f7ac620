"""aws-chunked bodies: AWS's two documented examples, and every way of tampering with them."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.errors import Fault
from outcrop.identity.chunks import ChunkChain, ChunkedBody
from outcrop.identity.sigv4 import signing_key

SCOPE = "20130524/us-east-1/s3/aws4_request"
CONTENT = b"a" * 66_560
PLAIN_SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
PLAIN = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n%b\r\n"
    b"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n%b\r\n"
    b"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
) % (b"a" * 65_536, b"a" * 1024)
TRAILED_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
TRAILED = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n%b\r\n"
    b"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n%b\r\n"
    b"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
) % (b"a" * 65_536, b"a" * 1024)


def chain(seed: str) -> ChunkChain:
    key = signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SCOPE)
    return ChunkChain(key=key, stamp="20130524T000000Z", scope=SCOPE, seed=seed)


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def signed(body: bytes, seed: str, size: int = 1000) -> ChunkedBody:
    return ChunkedBody(pieces(body, size), chain(seed), signed_trailer=seed == TRAILED_SEED)


def refused(body: ChunkedBody) -> str:
    with pytest.raises(Fault) as caught:
        b"".join(body)
    return caught.value.code


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize(("body", "seed"), [(PLAIN, PLAIN_SEED), (TRAILED, TRAILED_SEED)], ids=["plain", "trailed"])
def test_the_documented_examples_are_accepted_however_they_arrive(body: bytes, seed: str, size: int) -> None:
    chunked = signed(body, seed, size)
    assert b"".join(chunked) == CONTENT
    assert chunked.trailers == ({"x-amz-checksum-crc32c": "sOO8/Q=="} if seed == TRAILED_SEED else {})


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize(("body", "seed"), [(PLAIN, PLAIN_SEED), (TRAILED, TRAILED_SEED)], ids=["plain", "trailed"])
def test_every_chunk_signature_counts(body: bytes, seed: str, which: int) -> None:
    start = list(re.finditer(rb"chunk-signature=", body))[which].end()
    forged = body[:start] + b"00000000" + body[start + 8 :]
    assert refused(signed(forged, seed)) == "SignatureDoesNotMatch"


def test_altered_content_and_altered_trailers_are_refused() -> None:
    assert (
        refused(signed(PLAIN.replace(b"aaab", b"b").replace(b"\naaaa", b"\nbaaa", 1), PLAIN_SEED))
        == "SignatureDoesNotMatch"
    )
    assert refused(signed(TRAILED.replace(b"sOO8", b"sOO9"), TRAILED_SEED)) == "SignatureDoesNotMatch"
    assert (
        refused(signed(re.sub(rb"x-amz-trailer-s.*\r\n\r\n", b"\r\n", TRAILED), TRAILED_SEED))
        == "SignatureDoesNotMatch"
    )


def test_a_dropped_chunk_is_refused() -> None:
    without_second = PLAIN[: PLAIN.index(b"400;")] + PLAIN[PLAIN.index(b"0;chunk-signature=b6") :]
    assert refused(signed(without_second, PLAIN_SEED)) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "IncompleteBody"),
        (b"5\r\nhel", "IncompleteBody"),
        (b"5\r\nhello\r\n", "IncompleteBody"),
        (b"5\r\nhello", "IncompleteBody"),
        (b"5\r\nhello there\r\n0\r\n\r\n", "InvalidRequest"),
        (b"x\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"-5\r\nhello\r\n0\r\n\r\n", "InvalidRequest"),
        (b"\r\n", "InvalidRequest"),
        (b"f" * 13 + b"\r\n", "InvalidRequest"),
        (b"5" * 20_000, "InvalidRequest"),
        (b"0\r\n\r\nmore\r\n", "InvalidRequest"),
        (b"0\r\n" + b"".join(b"n%d:v\r\n" % n for n in range(20)) + b"\r\n", "MalformedTrailerError"),
    ],
)
def test_malformed_chunks_are_refused(body: bytes, code: str) -> None:
    assert refused(ChunkedBody([body], None, signed_trailer=False)) == code


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.integers(1, 20))
def test_unsigned_chunks_give_back_their_content(chunks: list[bytes], size: int) -> None:
    framed = (
        b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nx-amz-checksum-crc32: abc=\r\n\r\n"
    )
    chunked = ChunkedBody(pieces(framed, size), None, signed_trailer=True)
    assert b"".join(chunked) == b"".join(chunks)
    assert chunked.trailers == {"x-amz-checksum-crc32": "abc="}


@given(st.binary(max_size=200))
def test_random_bytes_end_in_content_or_a_fault(body: bytes) -> None:
    try:
        b"".join(ChunkedBody([body], None, signed_trailer=False))
    except Fault as fault:
        assert fault.code in {"IncompleteBody", "InvalidRequest", "MalformedTrailerError"}
