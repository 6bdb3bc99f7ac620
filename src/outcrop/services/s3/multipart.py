"""Multipart uploads: begun, fed with parts, completed or aborted, listed."""

from typing import Any
from uuid import uuid4

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.s3.conditions import write_condition
from outcrop.services.s3.descriptions import ENCRYPTION, description, in_milliseconds
from outcrop.services.s3.ground import bucket_of, key_of, objects, owner, quoted, uploads
from outcrop.services.s3.integrity import (
    algorithms,
    body_of,
    checksum_members,
    require_equal,
    stated_checksums,
    stated_in,
    verify,
)
from outcrop.services.s3.listing import encoded, question
from outcrop.services.s3.unserved import refuse_unserved
from outcrop.store.checksums import ALGORITHMS, DEFAULT_ALGORITHM, allowed_types, default_type
from outcrop.store.key_listing import rolls_up
from outcrop.store.objects import ObjectRecord
from outcrop.store.uploads import Chosen, Part, Upload, position

_LAST_PART = 10_000
_MOST_LISTED = 1000


def create_multipart_upload(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreateMultipartUpload."""
    refuse_unserved(request)
    algorithm = (request.get("ChecksumAlgorithm") or DEFAULT_ALGORITHM).upper()
    kind = request.get("ChecksumType")
    if algorithm not in ALGORITHMS:
        raise Fault("InvalidRequest", "Checksum algorithm provided is unsupported.")
    if kind is not None and kind not in allowed_types(algorithm):
        name = algorithm.lower()
        raise Fault("InvalidRequest", f"The {kind} checksum type cannot be used with the {name} checksum algorithm.")
    upload = Upload(
        id=uuid4().hex,
        bucket=bucket_of(call, request).name,
        key=key_of(request),
        initiated_at=call.at,
        description=description(request),
        algorithm=algorithm,
        checksum_type=kind or default_type(algorithm),
    )
    uploads(call).create(upload)
    return {**_named(upload), "ServerSideEncryption": ENCRYPTION}


def upload_part(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """UploadPart: the part is there only once all its bytes are, and are what was declared."""
    refuse_unserved(request)
    upload = _upload(call, request)
    if not 1 <= request["PartNumber"] <= _LAST_PART:
        sentence = f"Part number must be an integer between 1 and {_LAST_PART}, inclusive"
        raise Fault("InvalidArgument", sentence, ArgumentName="partNumber")
    computed = {upload.algorithm, *algorithms(call, request)}
    with objects(call).staged(body_of(request), computed) as written:
        verify(request, written)
        part = uploads(call).put_part(upload, request["PartNumber"], written)
    return {"ETag": quoted(part.etag), "ServerSideEncryption": ENCRYPTION, **checksum_members(written.checksums)}


def complete_multipart_upload(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CompleteMultipartUpload: the parts become the object as they are, without being copied."""
    refuse_unserved(request)
    upload = _upload(call, request)
    chosen = [_chosen(part, upload.algorithm) for part in (request.get("MultipartUpload") or {}).get("Parts") or []]
    if not chosen:
        raise Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our schema")

    def check(record: ObjectRecord) -> None:
        _check_whole(request, record)

    record = uploads(call).complete(upload, chosen, write_condition(request), check)
    return {
        "Location": f"/{record.bucket}/{record.key}",
        "Bucket": record.bucket,
        "Key": record.key,
        "ETag": quoted(record.etag),
        "ServerSideEncryption": ENCRYPTION,
        **stated_checksums(record),
    }


def abort_multipart_upload(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """AbortMultipartUpload."""
    uploads(call).abort(_upload(call, request))
    return {}


def list_parts(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListParts, by number."""
    upload = _upload(call, request)
    after, limit = int(request.get("PartNumberMarker") or 0), _limit(request.get("MaxParts"))
    parts = uploads(call).parts(upload, after, limit + 1)
    page = parts[:limit]
    result = {
        **_named(upload),
        "PartNumberMarker": after,
        "MaxParts": limit,
        "IsTruncated": len(parts) > limit,
        "Parts": [_shown_part(upload, part) for part in page],
        "Owner": owner(call),
        "Initiator": owner(call),
        "StorageClass": "STANDARD",
    }
    return result | ({"NextPartNumberMarker": page[-1].number} if page else {})


def list_multipart_uploads(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListMultipartUploads, by key, then by id."""
    bucket = bucket_of(call, request).name
    limit = _limit(request.get("MaxUploads"))
    page = uploads(call).list(bucket, question(request, _after(request), limit))
    result = {
        "Bucket": bucket,
        "Prefix": request.get("Prefix") or "",
        "KeyMarker": request.get("KeyMarker") or "",
        "UploadIdMarker": request.get("UploadIdMarker") or "",
        "MaxUploads": limit,
        "IsTruncated": page.truncated,
        "Uploads": [_shown_upload(call, upload) for upload in page.rows],
        "CommonPrefixes": [{"Prefix": prefix.decode()} for prefix in page.prefixes],
    }
    if request.get("Delimiter"):
        result["Delimiter"] = request["Delimiter"]
    if page.truncated:
        last = page.rows[-1] if page.rows and position(page.rows[-1].key, page.rows[-1].id) == page.last else None
        result["NextKeyMarker"] = last.key if last else page.last.decode()
        result["NextUploadIdMarker"] = last.id if last else ""
    return encoded(request, result)


def _upload(call: Call, request: dict[str, Any]) -> Upload:
    return uploads(call).find(bucket_of(call, request).name, key_of(request), request["UploadId"])


def _chosen(part: dict[str, Any], algorithm: str) -> Chosen:
    if "PartNumber" not in part or "ETag" not in part:
        raise Fault("MalformedXML", "The XML you provided was not well-formed or did not validate against our schema")
    checksum = part.get(f"Checksum{algorithm}")
    return Chosen(number=part["PartNumber"], etag=part["ETag"].strip().strip('"'), checksum=checksum)


def _check_whole(request: dict[str, Any], record: ObjectRecord) -> None:
    """Compare the object with what the client says the whole is."""
    kind, size = request.get("ChecksumType"), request.get("MpuObjectSize")
    if kind is not None and kind != record.checksum_type:
        raise Fault("InvalidRequest", f"The upload was created with the {record.checksum_type} checksum type.")
    if size is not None and int(size) != record.size:
        raise Fault("InvalidRequest", f"The object has {record.size} bytes; x-amz-mp-object-size says {size}.")
    for algorithm, stated in stated_in(request).items():
        if algorithm not in record.checksums:
            raise Fault("InvalidRequest", f"The upload was created without the {algorithm} checksum algorithm.")
        # a composite checksum may be stated with its "-N" or without; base64 has no dash of its own
        require_equal(algorithm, stated.partition("-")[0], record.checksums[algorithm].partition("-")[0])


def _after(request: dict[str, Any]) -> bytes:
    key, upload_id = request.get("KeyMarker") or "", request.get("UploadIdMarker")
    if not key or rolls_up(question(request, b"", 0), key.encode()):
        return key.encode()
    if upload_id and not all(digit in "0123456789abcdef" for digit in upload_id):
        raise Fault("InvalidArgument", "Invalid uploadId marker", ArgumentName="upload-id-marker")
    return position(key, upload_id or None)


def _limit(asked: int | None) -> int:
    limit = _MOST_LISTED if asked is None else asked
    if limit < 0:
        raise Fault("InvalidArgument", "The most to list is a number from 0 to 2147483647")
    return min(limit, _MOST_LISTED)


def _named(upload: Upload) -> dict[str, Any]:
    return {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.id,
        "ChecksumAlgorithm": upload.algorithm,
        "ChecksumType": upload.checksum_type,
    }


def _shown_part(upload: Upload, part: Part) -> dict[str, Any]:
    return {
        "PartNumber": part.number,
        "LastModified": in_milliseconds(part.modified_at),
        "ETag": quoted(part.etag),
        "Size": part.size,
        **checksum_members({upload.algorithm: part.checksum}),
    }


def _shown_upload(call: Call, upload: Upload) -> dict[str, Any]:
    return {
        "Key": upload.key,
        "UploadId": upload.id,
        "Initiated": in_milliseconds(upload.initiated_at),
        "StorageClass": "STANDARD",
        "Owner": owner(call),
        "Initiator": owner(call),
        "ChecksumAlgorithm": upload.algorithm,
        "ChecksumType": upload.checksum_type,
    }


OPERATIONS: dict[str, Operation] = {
    "AbortMultipartUpload": abort_multipart_upload,
    "CompleteMultipartUpload": complete_multipart_upload,
    "CreateMultipartUpload": create_multipart_upload,
    "ListMultipartUploads": list_multipart_uploads,
    "ListParts": list_parts,
    "UploadPart": upload_part,
}
