"""Which stretch of an object is asked for: a Range, or a part by its number. Knows no bytes."""

import re
from dataclasses import dataclass
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.store.objects import ObjectRecord

_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """`length` bytes from `start` of an object of `size` bytes; `partial` where the request asked for a stretch."""

    start: int
    length: int
    size: int
    partial: bool

    def members(self) -> dict[str, Any]:
        """What an answer says of it."""
        said: dict[str, Any] = {"ContentLength": self.length}
        if self.partial:
            said["ContentRange"] = f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"
        return said


def stretch_of(request: dict[str, Any], record: ObjectRecord) -> Stretch:
    """What a Get or Head asks for. Raises InvalidRange, InvalidPartNumber, or InvalidRequest for both at once."""
    wanted, number = request.get("Range"), request.get("PartNumber")
    if wanted is not None and number is not None:
        raise Fault("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    if number is not None:
        return _part(number, record)
    bounds = _bounds(wanted, record.size) if wanted is not None else None
    if bounds is None:
        return Stretch(start=0, length=record.size, size=record.size, partial=False)
    start, end = bounds
    if start >= end:
        raise Fault(
            "InvalidRange",
            "The requested range is not satisfiable",
            RangeRequested=wanted,
            ActualObjectSize=str(record.size),
        )
    return Stretch(start=start, length=end - start, size=record.size, partial=True)


def copied_range(text: str, size: int) -> tuple[int, int]:
    """Start and length of an UploadPartCopy's range, which must name both ends and lie within the source."""
    found = _RANGE.fullmatch(text)
    if not found or not found[1] or not found[2] or int(found[1]) > int(found[2]):
        raise Fault(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the"
            " zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
        )
    if int(found[2]) >= size:
        sentence = f"Range specified is not valid for source object of size: {size}"
        raise Fault("InvalidArgument", sentence, ArgumentName="x-amz-copy-source-range")
    return int(found[1]), int(found[2]) - int(found[1]) + 1


def _bounds(text: str, size: int) -> tuple[int, int] | None:
    """Start and end, or None where HTTP says to ignore the header: several ranges, or none that can be read."""
    found = _RANGE.fullmatch(text.strip())
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    if found[2] and last < start:
        return None
    return start, min(size, last + 1)


def _part(number: int, record: ObjectRecord) -> Stretch:
    if not 1 <= number <= len(record.blobs):
        raise Fault("InvalidPartNumber", "The requested partnumber is not satisfiable")
    start = sum(blob.size for blob in record.blobs[: number - 1])
    length = record.blobs[number - 1].size
    return Stretch(start=start, length=length, size=record.size, partial=length > 0)
