"""Copies, by the functions themselves."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from outcrop.domain.errors import Fault
from outcrop.services.s3 import OPERATIONS

BODY = b"copied"


def refused(s3: Any, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        s3(operation, **{"Bucket": "data", "Key": "b", "CopySource": "data/a", **request})
    return caught.value


@pytest.fixture
def put(s3: Any) -> Any:
    said = {"Metadata": {"who": "ada"}, "ContentType": "text/plain", "Tagging": "k=v", "ChecksumAlgorithm": "SHA1"}
    s3("PutObject", Bucket="data", Key="a", Body=BODY, **said)
    return s3


@pytest.mark.parametrize("source", ["data/a", "/data/a", "data/%61", "data/a?versionId=null"])
def test_a_copy_is_like_its_source(put: Any, source: str) -> None:
    result = put("CopyObject", Bucket="data", Key="b", CopySource=source)["CopyObjectResult"]
    one, two = (put("HeadObject", Bucket="data", Key=key, ChecksumMode="ENABLED") for key in "ab")
    assert one == two
    assert result["ChecksumSHA1"] == one["ChecksumSHA1"]
    assert put.read("data", "b") == BODY
    put("DeleteObject", Bucket="data", Key="a")
    assert put.read("data", "b") == BODY


def test_directives_choose_between_old_and_new(put: Any) -> None:
    new = {"Metadata": {"who": "bob"}, "Tagging": "n=1"}
    put("CopyObject", Bucket="data", Key="b", CopySource="data/a", MetadataDirective="REPLACE", **new)
    assert put("HeadObject", Bucket="data", Key="b")["Metadata"] == {"who": "bob"}
    assert put("GetObjectTagging", Bucket="data", Key="b")["TagSet"] == [{"Key": "k", "Value": "v"}]
    put("CopyObject", Bucket="data", Key="b", CopySource="data/a", TaggingDirective="REPLACE", **new)
    assert put("HeadObject", Bucket="data", Key="b")["Metadata"] == {"who": "ada"}
    assert put("GetObjectTagging", Bucket="data", Key="b")["TagSet"] == [{"Key": "n", "Value": "1"}]


def test_an_object_is_copied_onto_itself_only_to_change_it(put: Any) -> None:
    assert refused(put, "CopyObject", Key="a").code == "InvalidRequest"
    put("CopyObject", Bucket="data", Key="a", CopySource="data/a", MetadataDirective="REPLACE", Metadata={"n": "1"})
    assert put("HeadObject", Bucket="data", Key="a")["Metadata"] == {"n": "1"}
    assert put.read("data", "a") == BODY


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        ({"CopySource": "data"}, "InvalidArgument"),
        ({"CopySource": "data/none"}, "NoSuchKey"),
        ({"CopySource": "none/a"}, "NoSuchBucket"),
        ({"CopySource": "data/a?versionId=1"}, "NoSuchVersion"),
        ({"CopySourceIfMatch": '"other"'}, "PreconditionFailed"),
        ({"CopySourceIfNoneMatch": "*"}, "PreconditionFailed"),
        ({"ExpectedSourceBucketOwner": "123456789012"}, "AccessDenied"),
        ({"StorageClass": "GLACIER"}, "NotImplemented"),
    ],
)
def test_a_copy_that_cannot_be_made_is_refused(put: Any, request_of: dict[str, Any], code: str) -> None:
    assert refused(put, "CopyObject", **request_of).code == code
    assert put.files() == 1


def test_a_stretch_becomes_a_part(put: Any) -> None:
    upload = put("CreateMultipartUpload", Bucket="data", Key="b")["UploadId"]
    place = {"Bucket": "data", "Key": "b", "UploadId": upload}
    copied = put("UploadPartCopy", **place, PartNumber=1, CopySource="data/a", CopySourceRange="bytes=1-3")
    parts = [{"PartNumber": 1, "ETag": copied["CopyPartResult"]["ETag"]}]
    put("CompleteMultipartUpload", **place, MultipartUpload={"Parts": parts})
    assert put.read("data", "b") == BODY[1:4]


@pytest.mark.parametrize("wrong", ["bytes=1-", "bytes=-2", "1-2", "bytes=3-2", "bytes=0-6"])
def test_a_copied_range_lies_within_its_source(put: Any, wrong: str) -> None:
    upload = put("CreateMultipartUpload", Bucket="data", Key="b")["UploadId"]
    fault = refused(put, "UploadPartCopy", UploadId=upload, PartNumber=1, CopySourceRange=wrong)
    assert fault.code == "InvalidArgument"


class Meddled(dict[str, Any]):
    """A copy's request during which something happens: between the look at the source and its opening."""

    def __init__(self, meddle: Callable[[], object], **request: Any) -> None:
        super().__init__(request)
        self.meddle, self.left = meddle, 1

    def get(self, name: str, default: Any = None) -> Any:
        if name == "CopySourceIfNoneMatch" and self.left:
            self.left -= 1
            self.meddle()
        return super().get(name, default)


def test_a_source_that_is_replaced_meanwhile_is_looked_at_again(put: Any) -> None:
    upload = put("CreateMultipartUpload", Bucket="data", Key="b")["UploadId"]
    for operation, more in (("CopyObject", {}), ("UploadPartCopy", {"UploadId": upload, "PartNumber": 1})):
        new = f"new for {operation}".encode()
        replace = partial(put, "PutObject", Bucket="data", Key="a", Body=new)
        request = Meddled(replace, Bucket="data", Key="b", CopySource="data/a", **more)
        result = next(iter(OPERATIONS[operation](put.call, request).values()))
        assert result["ETag"] == put("HeadObject", Bucket="data", Key="a")["ETag"]
        assert not request.left
    assert put.read("data", "b") == b"new for CopyObject"


def test_a_source_that_can_never_be_opened_is_no_bug_of_the_copy(put: Any) -> None:
    upload = put("CreateMultipartUpload", Bucket="data", Key="b")["UploadId"]
    for path in put.call.ground.settings.objects_folder.rglob("*"):
        if path.is_file():
            path.unlink()
    assert refused(put, "CopyObject").code == "ServiceUnavailable"
    assert refused(put, "UploadPartCopy", UploadId=upload, PartNumber=1).code == "ServiceUnavailable"
