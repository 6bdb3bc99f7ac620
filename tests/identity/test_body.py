"""A body is what was declared, or its last byte is a fault."""

import base64
import hashlib
import zlib

import pytest

from outcrop.domain.errors import Fault
from outcrop.identity import CheckedBody, Identity, Scope

CONTENT = b"a row of data\n" * 1000
SUMS = {
    "crc32": base64.b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode(),
    "sha1": base64.b64encode(hashlib.sha1(CONTENT).digest()).decode(),
    "sha256": base64.b64encode(hashlib.sha256(CONTENT).digest()).decode(),
}


def identity(payload: str = "UNSIGNED-PAYLOAD") -> Identity:
    return Identity(
        access_key_id="AKIDEXAMPLE",
        arn="arn:aws:iam::123456789012:root",
        user_id="123456789012",
        session=False,
        scope=Scope(region="us-east-1", service="s3"),
        payload=payload,
        chain=None,
    )


def body(headers: dict[str, str], payload: str = "UNSIGNED-PAYLOAD", content: bytes = CONTENT) -> CheckedBody:
    return CheckedBody([content[:100], content[100:]], headers, identity(payload))


def refused(checked: CheckedBody) -> str:
    with pytest.raises(Fault) as caught:
        checked.read()
    return caught.value.code


def trailed(trailer: str, content: bytes = CONTENT) -> bytes:
    return b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(content), content, trailer.encode())


@pytest.mark.parametrize("algorithm", SUMS)
def test_a_declared_checksum_is_checked(algorithm: str) -> None:
    right = body({f"x-amz-checksum-{algorithm}": SUMS[algorithm]})
    assert right.read() == CONTENT
    assert right.checksums == {algorithm: SUMS[algorithm]}
    assert refused(body({f"x-amz-checksum-{algorithm}": "AAAAAA=="})) == "BadDigest"


def test_checksum_headers_that_speak_of_something_else_are_left_alone() -> None:
    checked = CheckedBody([b"<parts/>"], {"x-amz-checksum-crc32": "AAAAAA=="}, identity(), checksums_apply=False)
    assert checked.read() == b"<parts/>"


def test_the_signed_hash_is_checked() -> None:
    assert body({}, hashlib.sha256(CONTENT).hexdigest()).read() == CONTENT
    assert refused(body({}, "0" * 64)) == "XAmzContentSHA256Mismatch"


def test_content_md5_is_checked() -> None:
    assert body({"content-md5": base64.b64encode(hashlib.md5(CONTENT).digest()).decode()}).read() == CONTENT
    assert refused(body({"content-md5": base64.b64encode(hashlib.md5(b"").digest()).decode()})) == "BadDigest"
    assert refused(body({"content-md5": "not base64"})) == "InvalidDigest"


def test_the_length_is_checked() -> None:
    assert body({"content-length": str(len(CONTENT))}).read() == CONTENT
    assert refused(body({"content-length": "1"})) == "IncompleteBody"


class TestTrailers:
    mode = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

    def headers(self, **more: str) -> dict[str, str]:
        stated = {"x-amz-decoded-content-length": str(len(CONTENT)), "x-amz-trailer": "x-amz-checksum-crc32"}
        return {**stated, **{name.replace("_", "-"): value for name, value in more.items()}}

    def test_a_right_trailer_is_accepted(self) -> None:
        checked = body(self.headers(), self.mode, trailed(f"x-amz-checksum-crc32:{SUMS['crc32']}"))
        assert checked.read() == CONTENT
        assert checked.checksums == {"crc32": SUMS["crc32"]}

    def test_a_wrong_trailer_is_refused(self) -> None:
        assert refused(body(self.headers(), self.mode, trailed("x-amz-checksum-crc32:AAAAAA=="))) == "BadDigest"

    def test_a_missing_trailer_is_refused(self) -> None:
        assert refused(body(self.headers(), self.mode, trailed("x-other:1"))) == "MalformedTrailerError"

    def test_an_unannounced_trailer_is_refused(self) -> None:
        wrong = trailed(f"x-amz-checksum-crc32:{SUMS['crc32']}\r\nx-amz-checksum-sha1:{SUMS['sha1']}")
        assert refused(body(self.headers(), self.mode, wrong)) == "MalformedTrailerError"

    def test_the_decoded_length_is_checked(self) -> None:
        headers = self.headers(x_amz_decoded_content_length="1")
        assert refused(body(headers, self.mode, trailed(f"x-amz-checksum-crc32:{SUMS['crc32']}"))) == "IncompleteBody"
