"""Where S3 clients declare checksums, and how they spell them. Knows nothing of what they are of."""

import base64
from collections.abc import Mapping

from outcrop.store.checksums import ALGORITHMS, Running

HEADER_PREFIX = "x-amz-checksum-"
_NAMES = {algorithm.lower(): algorithm for algorithm in ALGORITHMS}


def declared(headers: Mapping[str, str]) -> dict[str, str]:
    """Algorithm, in lower case -> checksum in base64, of the algorithms that we compute."""
    named = ((name, headers.get(HEADER_PREFIX + name)) for name in _NAMES)
    return {name: value for name, value in named if value is not None}


def promised(headers: Mapping[str, str]) -> list[str]:
    """Algorithms whose checksum is promised for the trailer."""
    names = (name.strip().lower().removeprefix(HEADER_PREFIX) for name in headers.get("x-amz-trailer", "").split(","))
    return [name for name in names if name in _NAMES]


def begin(name: str) -> Running:
    """A checksum of nothing yet."""
    return ALGORITHMS[_NAMES[name]]()


def in_base64(checksum: Running) -> str:
    """A checksum as headers spell it."""
    return base64.b64encode(checksum.digest()).decode()
