"""Conditional requests: what must hold of an object for the answer to be the object. In HTTP's order of precedence."""

from datetime import datetime
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.s3.descriptions import in_seconds
from outcrop.services.s3.ground import quoted
from outcrop.services.s3.unserved import not_done
from outcrop.store.objects import Condition, ObjectRecord


def require_readable(request: dict[str, Any], record: ObjectRecord) -> None:
    """Raise PreconditionFailed or NotModified where a Get or Head is not to be answered with the object."""
    _require_match(
        request.get("IfMatch"), request.get("IfUnmodifiedSince"), record, ("If-Match", "If-Unmodified-Since")
    )
    if _is_known(request.get("IfNoneMatch"), request.get("IfModifiedSince"), record):
        raise Fault("NotModified", "Not Modified", ETag=quoted(record.etag))


def require_copyable(request: dict[str, Any], record: ObjectRecord) -> None:
    """Raise PreconditionFailed where the copy's source is not as the request says."""
    names = ("x-amz-copy-source-If-Match", "x-amz-copy-source-If-Unmodified-Since")
    _require_match(request.get("CopySourceIfMatch"), request.get("CopySourceIfUnmodifiedSince"), record, names)
    if _is_known(request.get("CopySourceIfNoneMatch"), request.get("CopySourceIfModifiedSince"), record):
        raise failed("x-amz-copy-source-If-None-Match")


def write_condition(request: dict[str, Any]) -> Condition:
    """What must hold when the object is replaced or deleted."""
    if_none_match = request.get("IfNoneMatch")
    if if_none_match not in (None, "*"):
        raise not_done("If-None-Match of a write with anything but *")
    etag = request.get("IfMatch")
    return Condition(absent=if_none_match == "*", etag=etag.strip().strip('"') if etag else None)


def failed(name: str) -> Fault:
    """The answer to a condition that does not hold."""
    return Fault("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", Condition=name)


def _require_match(etag: str | None, since: datetime | None, record: ObjectRecord, names: tuple[str, str]) -> None:
    """A matching ETag makes the date irrelevant."""
    if etag is not None:
        if not _matches(etag, record):
            raise failed(names[0])
    elif since is not None and in_seconds(record.modified_at) > since:
        raise failed(names[1])


def _is_known(etag: str | None, since: datetime | None, record: ObjectRecord) -> bool:
    """Whether the client has it already; an ETag makes the date irrelevant."""
    if etag is not None:
        return _matches(etag, record)
    return since is not None and in_seconds(record.modified_at) <= since


def _matches(stated: str, record: ObjectRecord) -> bool:
    etags = (part.strip().removeprefix("W/").strip('"') for part in stated.split(","))
    return any(etag in ("*", record.etag) for etag in etags)
