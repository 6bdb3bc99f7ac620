"""What a request says of the object that it makes, and how an answer says it back."""

from datetime import datetime
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.s3 import tag_sets
from outcrop.services.s3.ground import quoted
from outcrop.store.objects import DEFAULT_CONTENT_TYPE, Description, ObjectRecord

ENCRYPTION = "AES256"  # objects are always sealed, with AES-256
_TEXTS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType")
_METADATA_LIMIT = 2048


def description(request: dict[str, Any]) -> Description:
    """Content members, user metadata and tags of a request."""
    content = {name: request[name] for name in _TEXTS if request.get(name)}
    content.setdefault("ContentType", DEFAULT_CONTENT_TYPE)
    encodings = [part.strip() for part in content.pop("ContentEncoding", "").split(",")]
    kept = [part for part in encodings if part and part != "aws-chunked"]  # the way it travelled, not what it is
    if kept:
        content["ContentEncoding"] = ",".join(kept)
    if isinstance(request.get("Expires"), datetime):
        content["Expires"] = request["Expires"].isoformat()
    metadata = {name.lower(): value for name, value in (request.get("Metadata") or {}).items()}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > _METADATA_LIMIT:
        raise Fault(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            MaxSizeAllowed=str(_METADATA_LIMIT),
        )
    return Description(content=content, metadata=metadata, tags=tag_sets.from_header(request.get("Tagging")))


def described(record: ObjectRecord) -> dict[str, Any]:
    """The members by which GetObject and HeadObject describe an object, but for its bytes."""
    content: dict[str, Any] = dict(record.description.content)
    if "Expires" in content:
        content["Expires"] = datetime.fromisoformat(content["Expires"])
    said = {
        **content,
        "AcceptRanges": "bytes",
        "ETag": quoted(record.etag),
        "LastModified": in_seconds(record.modified_at),
        "Metadata": dict(record.description.metadata),
        **encryption(record),
    }
    if record.description.tags:
        said["TagCount"] = len(record.description.tags)
    return said


def encryption(record: ObjectRecord) -> dict[str, Any]:
    """The members that say under which key an object lies."""
    if record.encryption is None:
        return {"ServerSideEncryption": ENCRYPTION}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": record.encryption.key_arn}


def in_seconds(moment: datetime) -> datetime:
    """A moment as HTTP headers can say it."""
    return moment.replace(microsecond=0)


def in_milliseconds(moment: datetime) -> datetime:
    """A moment as S3's XML says it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
