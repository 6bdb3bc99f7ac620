"""Checksums of requests: which are asked for, whether those stated are true, how answers carry them."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.call import Call
from outcrop.store.checksums import ALGORITHMS, DEFAULT_ALGORITHM
from outcrop.store.objects import ObjectRecord, Written

_HEADER = "x-amz-checksum-"
_LARGEST_PUT = 5 << 30
_NOT_ALGORITHMS = {"Algorithm", "Mode", "Type"}


def body_of(request: dict[str, Any]) -> Iterable[bytes]:
    """The request's bytes in chunks. They raise where they turn out not to be what was declared, or too many."""
    body = request.get("Body", b"")
    return _limited([bytes(body)] if isinstance(body, bytes | bytearray) else body)


def algorithms(call: Call, request: Mapping[str, Any]) -> list[str]:
    """The checksums to compute: those stated in a member, named, or announced for the trailer; else S3's default."""
    named = set(stated_in(request))
    if request.get("ChecksumAlgorithm"):
        named.add(request["ChecksumAlgorithm"].upper())
    trailer = call.headers.get("x-amz-trailer", "").strip().lower()
    if trailer.startswith(_HEADER):
        named.add(trailer.removeprefix(_HEADER).upper())
    unknown = named - ALGORITHMS.keys()
    if unknown:
        raise Fault("InvalidRequest", f"The checksum algorithm {min(unknown)[:40]} is not one that Outcrop knows.")
    return sorted(named) or [DEFAULT_ALGORITHM]


def verify(request: Mapping[str, Any], written: Written) -> None:
    """Compare what came with what was declared: Content-MD5, checksum members, checksums in the body's trailer."""
    _verify_md5(request.get("ContentMD5"), written.md5)
    trailers = getattr(request.get("Body"), "trailers", {})
    for name, computed in written.checksums.items():
        for stated in (request.get(_member(name)), trailers.get(_HEADER + name.lower())):
            require_equal(name, stated, computed)


def require_equal(algorithm: str, stated: str | None, computed: str) -> None:
    """Raise BadDigest where a checksum was stated and is not the computed one."""
    if stated is not None and stated != computed:
        raise Fault("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def checksum_members(checksums: Mapping[str, str]) -> dict[str, str]:
    """Checksums as a result's members."""
    return {_member(name): value for name, value in checksums.items()}


def stated_checksums(record: ObjectRecord) -> dict[str, str]:
    """An object's checksums and their type, as a result's members."""
    return {**checksum_members(record.checksums), "ChecksumType": record.checksum_type}


def stated_in(request: Mapping[str, Any]) -> dict[str, str]:
    """Algorithm -> checksum, of those that a request states in members, whether we know the algorithm or not."""
    members = {name.removeprefix("Checksum"): value for name, value in request.items() if name.startswith("Checksum")}
    return {name: value for name, value in members.items() if name not in _NOT_ALGORITHMS}


def _member(algorithm: str) -> str:
    return f"Checksum{algorithm}"


def _verify_md5(stated: str | None, computed: bytes) -> None:
    if stated is None:
        return
    try:
        digest = base64.b64decode(stated, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != len(computed):
        raise Fault("InvalidDigest", "The Content-MD5 you specified was invalid.")
    if digest != computed:
        raise Fault("BadDigest", "The Content-MD5 you specified did not match what we received.")


def _limited(chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _LARGEST_PUT:
            raise Fault(
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size",
                MaxSizeAllowed=str(_LARGEST_PUT),
            )
        yield chunk
