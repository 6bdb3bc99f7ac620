"""Copies within the server: of a whole object, and of a stretch into a part. Every copy is sealed anew."""

from typing import Any
from urllib.parse import unquote

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.s3.conditions import require_copyable, write_condition
from outcrop.services.s3.descriptions import ENCRYPTION, description, in_milliseconds
from outcrop.services.s3.ground import (
    bucket_of,
    expect_owner,
    key_of,
    object_of,
    objects,
    quoted,
    until_opened,
    uploads,
)
from outcrop.services.s3.integrity import checksum_members, stated_checksums
from outcrop.services.s3.ranges import copied_range
from outcrop.services.s3.unserved import refuse_unserved
from outcrop.store.blobs import ObjectReader
from outcrop.store.objects import Description, ObjectRecord, whole

_LARGEST_COPY = 5 << 30
_VERSION_QUERY = "?versionId="


def copy_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CopyObject, with the source's description or a new one."""
    refuse_unserved(request)
    bucket, key = bucket_of(call, request).name, key_of(request)
    source, reader = until_opened(lambda: _opened(call, request))
    with reader:
        said, condition = _description(request, source), write_condition(request)
        with objects(call).staged(reader.pieces(), _algorithms(request, source)) as written:
            record = objects(call).publish(whole(bucket, key, written, said), condition)
    copied = {"ETag": quoted(record.etag), "LastModified": in_milliseconds(record.modified_at)}
    return {"CopyObjectResult": {**copied, **stated_checksums(record)}, "ServerSideEncryption": ENCRYPTION}


def upload_part_copy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UploadPartCopy, of a whole object or a stretch of it."""
    refuse_unserved(request)
    bucket = bucket_of(call, request).name
    upload = uploads(call).find(bucket, key_of(request), request["UploadId"])
    reader, start, length = until_opened(lambda: _opened_stretch(call, request))
    with reader, objects(call).staged(reader.pieces(start, length), [upload.algorithm]) as written:
        part = uploads(call).put_part(upload, request["PartNumber"], written)
    copied = {"ETag": quoted(part.etag), "LastModified": in_milliseconds(part.modified_at)}
    sums = checksum_members({upload.algorithm: part.checksum})
    return {"CopyPartResult": {**copied, **sums}, "ServerSideEncryption": ENCRYPTION}


def _opened(call: Call, request: dict[str, Any]) -> tuple[ObjectRecord, ObjectReader]:
    """A whole object to copy, which the request may copy to where it asks."""
    source, target = _source(call, request), (request["Bucket"], request["Key"])
    if (source.bucket, source.key) == target and request.get("MetadataDirective") != "REPLACE":
        raise Fault(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the"
            " object's metadata, storage class, website redirect location or encryption attributes.",
        )
    _require_size(source.size)
    return source, objects(call).open(source)


def _opened_stretch(call: Call, request: dict[str, Any]) -> tuple[ObjectReader, int, int]:
    """An object to copy from, and where the stretch begins and how long it is."""
    source = _source(call, request)
    start, length = 0, source.size
    if request.get("CopySourceRange"):
        start, length = copied_range(request["CopySourceRange"], source.size)
    _require_size(length)
    return objects(call).open(source, start, length), start, length


def _source(call: Call, request: dict[str, Any]) -> ObjectRecord:
    expect_owner(call, request.get("ExpectedSourceBucketOwner"))
    path, _, version = request["CopySource"].partition(_VERSION_QUERY)
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if not bucket or not key:
        sentence = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
        raise Fault("InvalidArgument", sentence, ArgumentName="x-amz-copy-source")
    source = object_of(call, {"Bucket": bucket, "Key": key, "VersionId": version or None})
    require_copyable(request, source)
    return source


def _require_size(length: int) -> None:
    if length > _LARGEST_COPY:
        raise Fault(
            "InvalidRequest",
            f"The specified copy source is larger than the maximum allowable size for a copy source: {_LARGEST_COPY}",
        )


def _description(request: dict[str, Any], source: ObjectRecord) -> Description:
    new = description(request)
    kept = source.description if request.get("MetadataDirective", "COPY") == "COPY" else new
    tags = new.tags if request.get("TaggingDirective") == "REPLACE" else source.description.tags
    return Description(content=kept.content, metadata=kept.metadata, tags=tags)


def _algorithms(request: dict[str, Any], source: ObjectRecord) -> list[str]:
    named = request.get("ChecksumAlgorithm")
    return [named.upper()] if named else sorted(source.checksums)


OPERATIONS: dict[str, Operation] = {"CopyObject": copy_object, "UploadPartCopy": upload_part_copy}
