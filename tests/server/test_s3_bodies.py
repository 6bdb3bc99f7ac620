"""A presigned URL does what was signed and no more, in either version of the signature, whatever is hung onto it."""

import hashlib
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.config import Config

from outcrop.server.s3_bodies import with_hoisted_headers

Running = Any
TAGS = b"<Tagging><TagSet><Tag><Key>owner</Key><Value>mallory</Value></Tag></TagSet></Tagging>"
BEFORE = b"what was there before"


def test_what_the_query_says_goes_before_the_header() -> None:
    query = [("X-Amz-Meta-Who", "ada"), ("prefix", "a"), ("X-Amz-Signature", "0")]
    found = with_hoisted_headers({"x-amz-meta-who": "mallory", "host": "h"}, query)
    assert found == {"x-amz-meta-who": "ada", "host": "h"}


@pytest.fixture
def bucket(outcrop: Running, request: pytest.FixtureRequest) -> str:
    """A bucket with one object."""
    name = "p-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:20]
    s3 = outcrop.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=BEFORE, Metadata={"who": "ada"})
    return name


def presigned(outcrop: Running, version: str, operation: str, **parameters: Any) -> str:
    client = outcrop.client("s3", config=Config(signature_version=version))
    url: str = client.generate_presigned_url(operation, Params={"Key": "k", **parameters})
    return url


def status(url: str, method: str, body: bytes | None = None, **headers: str) -> int:
    named = {"Content-Type": "", **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = urllib.request.Request(url, data=body, method=method, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def untouched(outcrop: Running, bucket: str) -> bool:
    s3 = outcrop.client("s3")
    found = s3.get_object(Bucket=bucket, Key="k")
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    return bool(found["Body"].read() == BEFORE and found["Metadata"] == {"who": "ada"} and tags == [])


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize(
    "hung",
    [
        "&tagging",
        "&%74agging",
        "&%74%61gging=",
        "&X-Amz-Meta-Owner=mallory",
        "&x-amz-meta-owner=mallory",
        "&x%2Damz-meta-owner=mallory",
        "&%58-Amz-Tagging=owner%3Dmallory",
        "&X-AMZ-META-WHO=mallory",
        "&x-amz-meta-who%3Aada%0Ax-amz-meta-owner=mallory",
    ],
)
def test_a_parameter_that_nobody_signed_is_refused(outcrop: Running, bucket: str, version: str, hung: str) -> None:
    url = presigned(outcrop, version, "put_object", Bucket=bucket)
    assert status(url + hung, "PUT", TAGS) == 403
    assert untouched(outcrop, bucket)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_header_that_says_other_than_the_url_is_refused(outcrop: Running, bucket: str, version: str) -> None:
    signed = {"Bucket": bucket, "Metadata": {"who": "bob"}, "ContentType": "text/plain"}
    url = presigned(outcrop, version, "put_object", **signed)
    right = {"Content_Type": "text/plain", "x_amz_meta_who": "bob"}
    assert status(url, "PUT", b"new", **{**right, "x_amz_meta_who": "mallory"}) == 403
    assert status(url, "PUT", b"new", **{**right, "Content_Type": "text/html"}) == 403
    assert untouched(outcrop, bucket)
    assert status(url, "PUT", b"new", **right) == 200


def test_a_signed_parameter_does_not_hide_in_anothers_value(outcrop: Running, bucket: str) -> None:
    started = outcrop.client("s3").create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    url = presigned(outcrop, "s3", "upload_part", Bucket=bucket, UploadId=started, PartNumber=1)
    hidden = url.replace(f"&uploadId={started}", "").replace("partNumber=1", f"partNumber=1%26uploadId%3D{started}")
    hidden = hidden.replace(f"uploadId={started}&", "")
    assert hidden.count("uploadId") == 1
    assert status(hidden, "PUT", b"new") == 403
    assert untouched(outcrop, bucket)
    assert status(url, "PUT", b"new") == 200


def test_a_signed_header_does_not_hide_in_anothers_value(outcrop: Running, bucket: str) -> None:
    url = presigned(outcrop, "s3", "put_object", Bucket=bucket, Metadata={"a": "1", "b": "2"})
    hidden = url.replace("&x-amz-meta-b=2", "").replace("x-amz-meta-b=2&", "")
    hidden = hidden.replace("x-amz-meta-a=1", "x-amz-meta-a=1%0Ax-amz-meta-b%3A2")
    assert hidden != url
    assert status(hidden, "PUT", b"new") == 403
    assert untouched(outcrop, bucket)
    assert status(url, "PUT", b"new") == 200
