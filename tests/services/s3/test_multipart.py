"""Multipart uploads, by the functions themselves."""

import base64
import zlib
from typing import Any

import pytest

from outcrop.domain.errors import Fault
from outcrop.store.uploads import SMALLEST_PART

LONG, END = bytes(SMALLEST_PART), b"end"


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4)).decode()


def refused(s3: Any, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        s3(operation, **{"Bucket": "data", "Key": "a", **request})
    return caught.value


def begin(s3: Any, key: str = "a", **said: Any) -> dict[str, str]:
    return {
        "Bucket": "data",
        "Key": key,
        "UploadId": s3("CreateMultipartUpload", Bucket="data", Key=key, **said)["UploadId"],
    }


def send(s3: Any, place: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
    return {"PartNumber": number, "ETag": s3("UploadPart", **place, PartNumber=number, Body=body)["ETag"]}


def test_parts_become_the_object(s3: Any) -> None:
    place = begin(s3, Metadata={"k": "v"}, Tagging="t=1")
    parts = [send(s3, place, 1, LONG), send(s3, place, 2, END)]
    done = s3("CompleteMultipartUpload", **place, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"')
    assert done["ChecksumType"] == "FULL_OBJECT"
    head = s3("HeadObject", Bucket="data", Key="a", PartNumber=2)
    assert (head["PartsCount"], head["ContentLength"], head["Metadata"]) == (2, len(END), {"k": "v"})
    assert head["ContentRange"] == f"bytes {len(LONG)}-{len(LONG) + 2}/{len(LONG) + 3}"
    assert s3.read("data", "a", PartNumber=2) == END
    assert s3.read("data", "a") == LONG + END
    attributes = s3("GetObjectAttributes", Bucket="data", Key="a", ObjectAttributes=["ObjectParts"])
    assert attributes["ObjectParts"] == {"TotalPartsCount": 2}


@pytest.mark.parametrize(("kind", "joined"), [("FULL_OBJECT", True), ("COMPOSITE", False), (None, False)])
def test_a_whole_has_the_checksum_its_type_promises(s3: Any, kind: str | None, joined: bool) -> None:
    place = begin(s3, ChecksumAlgorithm="CRC32", **({"ChecksumType": kind} if kind else {}))
    parts = [{**send(s3, place, 1, LONG), "ChecksumCRC32": crc32(LONG)}, send(s3, place, 2, END)]
    raw = b"".join(zlib.crc32(part).to_bytes(4) for part in (LONG, END))
    true = crc32(LONG + END) if joined else f"{crc32(raw)}-2"
    assert refused(
        s3, "CompleteMultipartUpload", **place, MultipartUpload={"Parts": parts}, ChecksumCRC32="AAAA"
    ).code == ("BadDigest")
    done = s3("CompleteMultipartUpload", **place, MultipartUpload={"Parts": parts}, ChecksumCRC32=true)
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (true, kind or "COMPOSITE")


def test_what_the_client_says_of_the_whole_is_compared(s3: Any) -> None:
    place = begin(s3)
    parts = {"MultipartUpload": {"Parts": [send(s3, place, 1, END)]}}
    for said in (
        {"MpuObjectSize": 4},
        {"ChecksumType": "COMPOSITE"},
        {"ChecksumSHA1": "AAAA"},
        {"ChecksumXXHASH3": "AAAA"},
    ):
        assert refused(s3, "CompleteMultipartUpload", **place, **parts, **said).code == "InvalidRequest"
    s3("CompleteMultipartUpload", **place, **parts, MpuObjectSize=3, ChecksumType="FULL_OBJECT", IfNoneMatch="*")


def test_completing_is_conditional(s3: Any) -> None:
    s3("PutObject", Bucket="data", Key="a", Body=b"old")
    place = begin(s3)
    parts = {"MultipartUpload": {"Parts": [send(s3, place, 1, END)]}}
    assert refused(s3, "CompleteMultipartUpload", **place, **parts, IfNoneMatch="*").code == "PreconditionFailed"
    assert s3.read("data", "a") == b"old"


@pytest.mark.parametrize("parts", [None, {}, {"Parts": []}, {"Parts": [{"PartNumber": 1}]}])
def test_completing_needs_parts(s3: Any, parts: Any) -> None:
    place = begin(s3)
    assert refused(s3, "CompleteMultipartUpload", **place, MultipartUpload=parts).code == "MalformedXML"


def test_parts_that_do_not_fit_are_refused(s3: Any) -> None:
    place = begin(s3)
    one, two = send(s3, place, 1, b"small"), send(s3, place, 2, END)
    for parts, code in (
        ([two, one], "InvalidPartOrder"),
        ([one, two], "EntityTooSmall"),
        ([{**one, "ETag": "x"}], "InvalidPart"),
    ):
        assert refused(s3, "CompleteMultipartUpload", **place, MultipartUpload={"Parts": parts}).code == code


def test_a_part_that_is_not_what_was_declared_is_not_kept(s3: Any) -> None:
    place = begin(s3)
    assert refused(s3, "UploadPart", **place, PartNumber=1, Body=END, ChecksumCRC32="AAAAAA==").code == "BadDigest"
    assert refused(s3, "UploadPart", **place, PartNumber=10_001, Body=END).code == "InvalidArgument"
    assert s3("ListParts", **place)["Parts"] == []
    assert s3.files() == 0


def test_an_aborted_upload_is_over(s3: Any) -> None:
    place = begin(s3)
    send(s3, place, 1, END)
    s3("AbortMultipartUpload", **place)
    assert refused(s3, "UploadPart", **place, PartNumber=1, Body=END).code == "NoSuchUpload"
    assert refused(s3, "ListParts", **place).code == "NoSuchUpload"
    assert s3.files() == 0


def test_parts_are_listed_a_page_at_a_time(s3: Any) -> None:
    place = begin(s3, ChecksumAlgorithm="CRC32")
    for number in (1, 2, 7):
        send(s3, place, number, str(number).encode())
    first = s3("ListParts", **place, MaxParts=2)
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 2)
    assert first["Parts"][0]["ChecksumCRC32"] == crc32(b"1")
    last = s3("ListParts", **place, PartNumberMarker=2)
    assert [part["PartNumber"] for part in last["Parts"]] == [7]
    assert refused(s3, "ListParts", **place, MaxParts=-1).code == "InvalidArgument"


def test_uploads_are_listed_a_page_at_a_time(s3: Any) -> None:
    begun = sorted((begin(s3, key)["Key"], begin(s3, key)["UploadId"]) for key in ("a/1", "b", "b", "c d"))
    found, more = [], {}
    while True:
        page = s3("ListMultipartUploads", Bucket="data", MaxUploads=1, **more)
        found += [(row["Key"], row["UploadId"]) for row in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert set(begun) <= set(found)
    assert found == sorted(found)
    assert len(set(found)) == len(found) == 8
    rolled = s3("ListMultipartUploads", Bucket="data", Delimiter="/", MaxUploads=1)
    assert (rolled["CommonPrefixes"], rolled["NextKeyMarker"]) == ([{"Prefix": "a/"}], "a/")
    rest = s3("ListMultipartUploads", Bucket="data", Delimiter="/", KeyMarker="a/", EncodingType="url")
    assert [row["Key"] for row in rest["Uploads"]] == ["b"] * 4 + ["c%20d"] * 2
    assert refused(s3, "ListMultipartUploads", KeyMarker="a", UploadIdMarker="?").code == "InvalidArgument"


@pytest.mark.parametrize(
    "said", [{"ChecksumAlgorithm": "MOON"}, {"ChecksumAlgorithm": "SHA1", "ChecksumType": "FULL_OBJECT"}]
)
def test_a_checksum_that_cannot_be_is_refused(s3: Any, said: dict[str, str]) -> None:
    assert refused(s3, "CreateMultipartUpload", **said).code == "InvalidRequest"


def test_a_bucket_is_deleted_with_its_uploads(s3: Any) -> None:
    send(s3, begin(s3), 1, END)
    s3("DeleteBucket", Bucket="data")
    assert s3.files() == 0
