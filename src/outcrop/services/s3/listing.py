"""Lists of a bucket's objects: ListObjects, ListObjectsV2, and ListObjectVersions (each object has one version)."""

import base64
from typing import Any
from urllib.parse import quote

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.s3.descriptions import in_milliseconds
from outcrop.services.s3.ground import bucket_of, objects, owner, quoted
from outcrop.services.s3.unserved import refuse_unserved
from outcrop.store.key_listing import KeyPage, Question
from outcrop.store.objects import ObjectRecord

MOST_KEYS = 1000
_KEYS = {"Prefix", "Delimiter", "Marker", "NextMarker", "StartAfter", "KeyMarker", "NextKeyMarker"}


def list_objects_v2(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListObjectsV2."""
    token, start_after = request.get("ContinuationToken"), request.get("StartAfter")
    page = _page(call, request, _decoded(token) if token else (start_after or "").encode())
    result = _common(request, page)
    result["KeyCount"] = len(page)
    result["Contents"] = [_shown(call, record, request.get("FetchOwner", False)) for record in page.rows]
    result |= {"ContinuationToken": token} if token else {}
    result |= {"StartAfter": start_after} if start_after else {}
    if page.truncated:
        result["NextContinuationToken"] = base64.urlsafe_b64encode(page.last).decode()
    return encoded(request, result)


def list_objects(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListObjects, the first version."""
    marker = request.get("Marker", "")
    page = _page(call, request, marker.encode())
    result = {**_common(request, page), "Marker": marker}
    result["Contents"] = [_shown(call, record, True) for record in page.rows]
    if page.truncated and request.get("Delimiter"):
        result["NextMarker"] = page.last.decode()
    return encoded(request, result)


def list_object_versions(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListObjectVersions: without versioning, each object is its own only version, `null`."""
    marker = request.get("KeyMarker", "")
    page = _page(call, request, marker.encode())
    result = {**_common(request, page), "KeyMarker": marker, "VersionIdMarker": request.get("VersionIdMarker", "")}
    result["Versions"] = [{**_shown(call, record, True), "VersionId": "null", "IsLatest": True} for record in page.rows]
    if page.truncated:
        result |= {"NextKeyMarker": page.last.decode(), "NextVersionIdMarker": "null"}
    return encoded(request, result)


def question(request: dict[str, Any], after: bytes, limit: int) -> Question:
    """What a request asks to list."""
    if limit < 0:
        raise Fault("InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647")
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    return Question(prefix=prefix.encode(), delimiter=delimiter.encode(), after=after, limit=min(limit, MOST_KEYS))


def encoded(request: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """The result with its keys percent-encoded, where the request asks for it (not every key fits into XML)."""
    if request.get("EncodingType") != "url":
        return result
    spelled = {**result, "EncodingType": "url"}
    spelled |= {name: _spell(result[name]) for name in _KEYS & result.keys()}
    for rows in ("Contents", "Versions", "Uploads"):
        if rows in result:
            spelled[rows] = [{**row, "Key": _spell(row["Key"])} for row in result[rows]]
    if "CommonPrefixes" in result:
        spelled["CommonPrefixes"] = [{"Prefix": _spell(row["Prefix"])} for row in result["CommonPrefixes"]]
    return spelled


def _page(call: Call, request: dict[str, Any], after: bytes) -> KeyPage[ObjectRecord]:
    refuse_unserved(request)
    bucket = bucket_of(call, request).name
    return objects(call).list(bucket, question(request, after, request.get("MaxKeys", MOST_KEYS)))


def _common(request: dict[str, Any], page: KeyPage[ObjectRecord]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "Name": request["Bucket"],
        "Prefix": request.get("Prefix") or "",
        "MaxKeys": min(request.get("MaxKeys", MOST_KEYS), MOST_KEYS),
        "IsTruncated": page.truncated,
        "CommonPrefixes": [{"Prefix": prefix.decode()} for prefix in page.prefixes],
    }
    return result | ({"Delimiter": request["Delimiter"]} if request.get("Delimiter") else {})


def _shown(call: Call, record: ObjectRecord, with_owner: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Key": record.key,
        "LastModified": in_milliseconds(record.modified_at),
        "ETag": quoted(record.etag),
        "ChecksumAlgorithm": sorted(record.checksums),
        "ChecksumType": record.checksum_type,
        "Size": record.size,
        "StorageClass": "STANDARD",
    }
    return shown | ({"Owner": owner(call)} if with_owner else {})


def _decoded(token: str) -> bytes:
    try:
        position = base64.b64decode(token, altchars=b"-_", validate=True)
        position.decode()
    except ValueError:
        sentence = "The continuation token provided is incorrect"
        raise Fault("InvalidArgument", sentence, ArgumentName="continuation-token") from None
    return position


def _spell(key: str) -> str:
    return quote(key, safe="/-_.*~")


OPERATIONS: dict[str, Operation] = {
    "ListObjectVersions": list_object_versions,
    "ListObjects": list_objects,
    "ListObjectsV2": list_objects_v2,
}
