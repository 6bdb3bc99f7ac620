"""Objects: put, got, looked at, deleted, tagged. The bytes go by in chunks and are never held."""

from collections.abc import Iterator
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.s3 import tag_sets
from outcrop.services.s3.conditions import require_readable, write_condition
from outcrop.services.s3.descriptions import ENCRYPTION, described, description, in_seconds
from outcrop.services.s3.ground import bucket_of, key_of, object_of, objects, quoted, require_only_version, until_opened
from outcrop.services.s3.integrity import algorithms, body_of, stated_checksums, verify
from outcrop.services.s3.ranges import Stretch, stretch_of
from outcrop.services.s3.unserved import refuse_unserved
from outcrop.store.blobs import ObjectReader
from outcrop.store.objects import ObjectRecord, whole

_MOST_AT_ONCE = 1000


def put_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutObject: the object is there only once all its bytes are, and are what was declared."""
    refuse_unserved(request)
    bucket, key = bucket_of(call, request).name, key_of(request)
    condition, said = write_condition(request), description(request)
    with objects(call).staged(body_of(request), algorithms(call, request)) as written:
        verify(request, written)
        record = objects(call).publish(whole(bucket, key, written, said), condition)
    return {"ETag": quoted(record.etag), "ServerSideEncryption": ENCRYPTION, **stated_checksums(record)}


def get_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetObject, whole or a stretch of it."""
    return until_opened(lambda: _opened(call, request))


def head_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """HeadObject."""
    return _answer(request, *_looked_at(call, request))


def delete_object(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteObject: deleting what is not there succeeds."""
    refuse_unserved(request)
    bucket, key = bucket_of(call, request).name, key_of(request)
    require_only_version(request.get("VersionId"), key)
    objects(call).remove(bucket, [key], write_condition(request))
    return {}


def delete_objects(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteObjects: up to a thousand, each with its own outcome."""
    refuse_unserved(request)
    bucket_of(call, request)
    wanted = request["Delete"]["Objects"]
    if not 1 <= len(wanted) <= _MOST_AT_ONCE:
        raise Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our schema")
    refusals = {place: fault for place, entry in enumerate(wanted) if (fault := _refusal(call, request, entry))}
    gone = [entry for place, entry in enumerate(wanted) if place not in refusals]
    objects(call).remove(request["Bucket"], [entry["Key"] for entry in gone if not entry.get("ETag")])
    result: dict[str, Any] = {}
    if refusals:
        result["Errors"] = [_error(wanted[place], fault) for place, fault in refusals.items()]
    if not request["Delete"].get("Quiet"):
        result["Deleted"] = [{"Key": entry["Key"]} for entry in gone]
    return result


def get_object_attributes(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetObjectAttributes."""
    refuse_unserved(request)
    record = object_of(call, request)
    attributes: dict[str, Any] = {
        "ETag": record.etag,
        "Checksum": stated_checksums(record),
        "StorageClass": "STANDARD",
        "ObjectSize": record.size,
    }
    if "-" in record.etag:
        attributes["ObjectParts"] = {"TotalPartsCount": len(record.blobs)}
    wanted = {name: value for name, value in attributes.items() if name in request["ObjectAttributes"]}
    return {"LastModified": in_seconds(record.modified_at), **wanted}


def get_object_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetObjectTagging."""
    return tag_sets.to_set(dict(object_of(call, request).description.tags))


def put_object_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutObjectTagging."""
    record = object_of(call, request)
    objects(call).set_tags(record.bucket, record.key, tag_sets.from_set(request["Tagging"], tag_sets.OBJECT_TAGS))
    return {}


def delete_object_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteObjectTagging."""
    record = object_of(call, request)
    objects(call).set_tags(record.bucket, record.key, {})
    return {}


class OutgoingBody:
    """A stretch of an object on its way out: held from the start, given back at its end or by `close`."""

    def __init__(self, reader: ObjectReader, stretch: Stretch) -> None:
        self._reader = reader
        self._chunks = reader.pieces(stretch.start, stretch.length)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except BaseException:
            self._reader.close()
            raise

    def close(self) -> None:
        """Give the object back, read to its end or not."""
        self._reader.close()


def _looked_at(call: Call, request: dict[str, Any]) -> tuple[ObjectRecord, Stretch]:
    """The object, where the request's conditions hold of it, and which of its bytes are asked for."""
    refuse_unserved(request)
    record = object_of(call, request)
    require_readable(request, record)
    return record, stretch_of(request, record)


def _opened(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    record, stretch = _looked_at(call, request)
    reader = objects(call).open(record, stretch.start, stretch.length)
    return {**_answer(request, record, stretch), "Body": OutgoingBody(reader, stretch)}


def _answer(request: dict[str, Any], record: ObjectRecord, stretch: Stretch) -> dict[str, Any]:
    """All of an answer but the bytes. A checksum is of the whole, so it comes with the whole only."""
    result = {**described(record), **stretch.members(), **_overrides(request)}
    if request.get("ChecksumMode") == "ENABLED" and stretch.length == record.size:
        result |= stated_checksums(record)
    if request.get("PartNumber") is not None and "-" in record.etag:
        result["PartsCount"] = len(record.blobs)
    return result


def _overrides(request: dict[str, Any]) -> dict[str, Any]:
    """The `response-...` parameters: headers that the asker wants instead of the object's own."""
    prefix = "Response"
    return {name.removeprefix(prefix): value for name, value in request.items() if name.startswith(prefix)}


def _refusal(call: Call, request: dict[str, Any], entry: dict[str, Any]) -> Fault | None:
    """Why one entry of DeleteObjects cannot be deleted. An entry with an ETag is deleted here, under its condition."""
    try:
        refuse_unserved({f"IfMatch{name}": entry[name] for name in ("LastModifiedTime", "Size") if name in entry})
        key = key_of(entry)
        require_only_version(entry.get("VersionId"), key)
        if entry.get("ETag"):
            objects(call).remove(request["Bucket"], [key], write_condition({"IfMatch": entry["ETag"]}))
    except Fault as fault:
        return fault
    return None


def _error(entry: dict[str, Any], fault: Fault) -> dict[str, Any]:
    return {"Key": entry["Key"], "Code": fault.code, "Message": fault.message}


OPERATIONS: dict[str, Operation] = {
    "DeleteObject": delete_object,
    "DeleteObjectTagging": delete_object_tagging,
    "DeleteObjects": delete_objects,
    "GetObject": get_object,
    "GetObjectAttributes": get_object_attributes,
    "GetObjectTagging": get_object_tagging,
    "HeadObject": head_object,
    "PutObject": put_object,
    "PutObjectTagging": put_object_tagging,
}
