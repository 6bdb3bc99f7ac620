"""Objects, by the functions themselves."""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5, sha256
from typing import Any

import pytest

from outcrop.domain.errors import Fault

BODY = b"hello, outcrop"
ETAG = f'"{md5(BODY).hexdigest()}"'
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def refused(s3: Any, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        s3(operation, **{"Bucket": "data", "Key": "a", **request})
    return caught.value


@pytest.fixture
def put(s3: Any) -> Any:
    s3("PutObject", Bucket="data", Key="a", Body=[BODY[:5], BODY[5:]], Metadata={"Who": "Ada"}, Tagging="k=v&x=")
    return s3


def test_what_is_put_is_got(put: Any) -> None:
    got = put("GetObject", Bucket="data", Key="a")
    assert b"".join(got.pop("Body")) == BODY
    assert got == {
        "AcceptRanges": "bytes",
        "ContentLength": len(BODY),
        "ContentType": "binary/octet-stream",
        "ETag": ETAG,
        "LastModified": MOMENT,
        "Metadata": {"who": "Ada"},
        "ServerSideEncryption": "AES256",
        "TagCount": 2,
    }
    assert put("HeadObject", Bucket="data", Key="a") == got


def test_what_is_said_of_the_content_is_said_again(s3: Any) -> None:
    said = {"ContentType": "text/plain", "CacheControl": "no-store", "ContentLanguage": "en", "Expires": MOMENT}
    s3("PutObject", Bucket="data", Key="a", Body=b"", ContentEncoding="aws-chunked,gzip", **said)
    head = s3("HeadObject", Bucket="data", Key="a", ResponseContentType="text/html", ResponseCacheControl="private")
    assert head | {"ContentType": "text/html", "CacheControl": "private", "ContentEncoding": "gzip"} == head
    assert (head["ContentLanguage"], head["Expires"]) == ("en", MOMENT)
    s3("PutObject", Bucket="data", Key="a", Body=b"", ContentEncoding="aws-chunked")
    assert "ContentEncoding" not in s3("HeadObject", Bucket="data", Key="a")


@pytest.mark.parametrize(
    ("wanted", "stretch"),
    [
        ("bytes=0-4", slice(0, 5)),
        ("bytes=7-", slice(7, None)),
        ("bytes=-4", slice(-4, None)),
        ("bytes=-999", slice(0, None)),
        ("bytes=5-999", slice(5, None)),
    ],
)
def test_a_range_is_a_stretch_of_the_object(put: Any, wanted: str, stretch: slice) -> None:
    got = put("GetObject", Bucket="data", Key="a", Range=wanted, ChecksumMode="ENABLED")
    start, end, _ = stretch.indices(len(BODY))
    assert b"".join(got["Body"]) == BODY[stretch]
    assert got["ContentRange"] == f"bytes {start}-{end - 1}/{len(BODY)}"
    assert got["ContentLength"] == end - start
    assert ("ChecksumCRC64NVME" in got) == (end - start == len(BODY))


@pytest.mark.parametrize("ignored", ["bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=x-"])
def test_a_range_that_cannot_be_read_is_ignored(put: Any, ignored: str) -> None:
    got = put("HeadObject", Bucket="data", Key="a", Range=ignored)
    assert "ContentRange" not in got
    assert got["ContentLength"] == len(BODY)


def test_a_range_past_the_end_is_not_satisfiable(put: Any) -> None:
    fault = refused(put, "GetObject", Range="bytes=14-")
    assert (fault.code, fault.members["ActualObjectSize"]) == ("InvalidRange", "14")
    assert refused(put, "GetObject", Range="bytes=-0").code == "InvalidRange"
    put("PutObject", Bucket="data", Key="empty", Body=b"")
    assert refused(put, "GetObject", Key="empty", Range="bytes=0-").code == "InvalidRange"


def test_a_part_number_of_a_whole_object_is_one(put: Any) -> None:
    assert put.read("data", "a", PartNumber=1) == BODY
    assert refused(put, "GetObject", PartNumber=2).code == "InvalidPartNumber"
    assert refused(put, "GetObject", PartNumber=1, Range="bytes=0-1").code == "InvalidRequest"


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        ({"IfMatch": ETAG}, None),
        ({"IfMatch": f'"other", {ETAG}'}, None),
        ({"IfMatch": "*"}, None),
        ({"IfMatch": '"other"'}, "PreconditionFailed"),
        ({"IfMatch": ETAG, "IfUnmodifiedSince": MOMENT - timedelta(days=1)}, None),
        ({"IfUnmodifiedSince": MOMENT}, None),
        ({"IfUnmodifiedSince": MOMENT - timedelta(seconds=1)}, "PreconditionFailed"),
        ({"IfNoneMatch": ETAG}, "NotModified"),
        ({"IfNoneMatch": f"W/{ETAG}"}, "NotModified"),
        ({"IfNoneMatch": '"other"', "IfModifiedSince": MOMENT}, None),
        ({"IfModifiedSince": MOMENT}, "NotModified"),
        ({"IfModifiedSince": MOMENT - timedelta(seconds=1)}, None),
    ],
)
def test_a_conditional_get(put: Any, condition: dict[str, Any], code: str | None) -> None:
    if code is None:
        assert put.read("data", "a", **condition) == BODY
    else:
        assert refused(put, "GetObject", **condition).code == code
        assert refused(put, "HeadObject", **condition).code == code


def test_a_conditional_put(put: Any) -> None:
    assert refused(put, "PutObject", Body=b"x", IfNoneMatch="*").code == "PreconditionFailed"
    assert refused(put, "PutObject", Body=b"x", IfMatch='"other"').code == "PreconditionFailed"
    assert refused(put, "PutObject", Body=b"x", Key="none", IfMatch=ETAG).code == "NoSuchKey"
    assert refused(put, "PutObject", Body=b"x", IfNoneMatch=ETAG).code == "NotImplemented"
    assert put.read("data", "a") == BODY
    assert put.files() == 1
    put("PutObject", Bucket="data", Key="a", Body=b"x", IfMatch=ETAG)
    put("PutObject", Bucket="data", Key="b", Body=b"x", IfNoneMatch="*")


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("ContentMD5", base64.b64encode(md5(b"other").digest()).decode(), "BadDigest"),
        ("ContentMD5", "AAAA", "InvalidDigest"),
        ("ContentMD5", "?", "InvalidDigest"),
        ("ChecksumCRC32", "AAAAAA==", "BadDigest"),
        ("ChecksumSHA256", "AAAA", "BadDigest"),
        ("ChecksumAlgorithm", "MOON", "InvalidRequest"),
        ("ChecksumXXHASH64", "AAAA", "InvalidRequest"),
    ],
)
def test_bytes_that_are_not_what_was_declared_are_not_kept(put: Any, member: str, value: str, code: str) -> None:
    assert refused(put, "PutObject", Body=b"x", **{member: value}).code == code
    assert put.read("data", "a") == BODY
    assert put.files() == 1


def test_a_checksum_is_kept_and_told_when_asked(s3: Any) -> None:
    computed = base64.b64encode(sha256(BODY).digest()).decode()
    stated = s3("PutObject", Bucket="data", Key="a", Body=BODY, ChecksumSHA256=computed)
    assert (stated["ChecksumSHA256"], stated["ChecksumType"]) == (computed, "FULL_OBJECT")
    assert s3("HeadObject", Bucket="data", Key="a", ChecksumMode="ENABLED")["ChecksumSHA256"] == computed
    assert "ChecksumSHA256" not in s3("HeadObject", Bucket="data", Key="a")


class Trailed:
    """A body as the server hands it over: chunks, and trailers once they are read."""

    def __init__(self, checksum: str) -> None:
        self.trailers: dict[str, str] = {}
        self._checksum = checksum

    def __iter__(self) -> Iterator[bytes]:
        yield BODY
        self.trailers["x-amz-checksum-crc32"] = self._checksum


def test_a_trailers_checksum_counts(s3: Any) -> None:
    told = s3.told(x_amz_trailer="x-amz-checksum-crc32")
    assert refused(told, "PutObject", Body=Trailed("AAAAAA==")).code == "BadDigest"
    true = s3("PutObject", Bucket="data", Key="b", Body=BODY, ChecksumAlgorithm="CRC32")["ChecksumCRC32"]
    assert told("PutObject", Bucket="data", Key="a", Body=Trailed(true))["ChecksumCRC32"] == true


def test_a_body_that_raises_at_its_end_leaves_nothing(s3: Any) -> None:
    def body() -> Iterator[bytes]:
        yield BODY
        raise Fault("XAmzContentSHA256Mismatch", "no")

    assert refused(s3, "PutObject", Body=body()).code == "XAmzContentSHA256Mismatch"
    assert refused(s3, "HeadObject").code == "NoSuchKey"
    assert s3.files() == 0


@pytest.mark.parametrize(
    "member",
    [
        {"ACL": "public-read"},
        {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/mine"},
        {"SSECustomerAlgorithm": "AES256"},
        {"StorageClass": "GLACIER"},
        {"WebsiteRedirectLocation": "/x"},
        {"ObjectLockMode": "GOVERNANCE"},
    ],
)
def test_nothing_is_accepted_and_then_ignored(s3: Any, member: dict[str, str]) -> None:
    assert refused(s3, "PutObject", Body=b"x", **member).code == "NotImplemented"
    assert s3("PutObject", Bucket="data", Key="a", Body=b"x", ServerSideEncryption="AES256", ACL="private")


def test_a_key_has_a_greatest_length_in_bytes(s3: Any) -> None:
    s3("PutObject", Bucket="data", Key="é" * 512, Body=b"x")
    assert refused(s3, "PutObject", Key="é" * 512 + "x", Body=b"x").code == "KeyTooLongError"
    assert refused(s3, "PutObject", Key="\ud800", Body=b"x").code == "InvalidURI"


def test_metadata_has_a_greatest_size(s3: Any) -> None:
    assert refused(s3, "PutObject", Body=b"x", Metadata={"k": "v" * 2048}).code == "MetadataTooLarge"


def test_there_is_one_version_and_it_is_null(put: Any) -> None:
    assert put.read("data", "a", VersionId="null") == BODY
    assert refused(put, "GetObject", VersionId="1").code == "NoSuchVersion"
    assert refused(put, "DeleteObject", VersionId="1").code == "NoSuchVersion"


def test_deleting_is_idempotent_and_conditional(put: Any) -> None:
    assert refused(put, "DeleteObject", IfMatch='"other"').code == "PreconditionFailed"
    put("DeleteObject", Bucket="data", Key="a", IfMatch=ETAG)
    put("DeleteObject", Bucket="data", Key="a")
    assert refused(put, "GetObject").code == "NoSuchKey"
    assert put.files() == 0


def test_many_are_deleted_each_with_its_own_outcome(put: Any) -> None:
    wanted = [{"Key": "a", "ETag": '"other"'}, {"Key": "none"}, {"Key": "a", "VersionId": "1"}, {"Key": "x" * 1025}]
    result = put("DeleteObjects", Bucket="data", Delete={"Objects": wanted})
    assert result["Deleted"] == [{"Key": "none"}]
    assert [error["Code"] for error in result["Errors"]] == ["PreconditionFailed", "NoSuchVersion", "KeyTooLongError"]
    assert put("DeleteObjects", Bucket="data", Delete={"Objects": [{"Key": "a", "ETag": ETAG}], "Quiet": True}) == {}
    assert put.files() == 0
    assert refused(put, "DeleteObjects", Delete={"Objects": []}).code == "MalformedXML"
    assert refused(put, "DeleteObjects", Delete={"Objects": [{"Key": "a"}] * 1001}).code == "MalformedXML"


def test_tags_are_put_and_got_and_deleted(put: Any) -> None:
    assert put("GetObjectTagging", Bucket="data", Key="a") == {
        "TagSet": [{"Key": "k", "Value": "v"}, {"Key": "x", "Value": ""}]
    }
    tags = {"TagSet": [{"Key": "new", "Value": "1"}]}
    put("PutObjectTagging", Bucket="data", Key="a", Tagging=tags)
    assert put("GetObjectTagging", Bucket="data", Key="a") == tags
    put("DeleteObjectTagging", Bucket="data", Key="a")
    assert put("GetObjectTagging", Bucket="data", Key="a") == {"TagSet": []}
    assert put.read("data", "a") == BODY


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([("k", "v")] * 2, "InvalidTag"),
        ([(str(number), "") for number in range(11)], "BadRequest"),
        ([("k" * 129, "")], "InvalidTag"),
        ([("k", "v" * 257)], "InvalidTag"),
        ([("aws:k", "v")], "InvalidTag"),
    ],
)
def test_tags_have_rules(put: Any, tags: list[tuple[str, str]], code: str) -> None:
    tagging = {"TagSet": [{"Key": key, "Value": value} for key, value in tags]}
    assert refused(put, "PutObjectTagging", Tagging=tagging).code == code


def test_a_tagging_header_that_cannot_be_read_is_refused(s3: Any) -> None:
    assert refused(s3, "PutObject", Body=b"x", Tagging="novalue").code == "InvalidArgument"


def test_attributes_are_those_asked_for(put: Any) -> None:
    got = put("GetObjectAttributes", Bucket="data", Key="a", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts"])
    assert got == {"LastModified": MOMENT, "ETag": ETAG.strip('"'), "ObjectSize": len(BODY)}


def test_a_body_that_is_not_read_to_its_end_can_be_closed(put: Any) -> None:
    body = put("GetObject", Bucket="data", Key="a")["Body"]
    body.close()
    body = put("GetObject", Bucket="data", Key="a")["Body"]
    assert next(body) == BODY
    body.close()
