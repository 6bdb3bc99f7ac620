"""The checksums that S3 clients declare: where, and how they are spelled. Knows nothing of what they are of."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

HEADER_PREFIX = "x-amz-checksum-"


class Checksum(Protocol):
    """What hashlib's objects can do."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The checksum of all bytes so far."""


class _Crc32:
    def __init__(self) -> None:
        self._register = 0

    def update(self, data: bytes, /) -> None:
        self._register = zlib.crc32(data, self._register)

    def digest(self) -> bytes:
        return self._register.to_bytes(4, "big")


def _crc32c() -> Checksum:
    from outcrop.identity import crc  # numpy is imported for those who need it alone

    return crc.Crc(crc.CRC32C)


def _crc64nvme() -> Checksum:
    from outcrop.identity import crc

    return crc.Crc(crc.CRC64NVME)


ALGORITHMS: dict[str, Callable[[], Checksum]] = {
    "crc32": _Crc32,
    "crc32c": _crc32c,
    "crc64nvme": _crc64nvme,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


def declared(headers: Mapping[str, str]) -> dict[str, str]:
    """Algorithm -> checksum in base64, of the algorithms that we compute."""
    named = ((algorithm, headers.get(HEADER_PREFIX + algorithm)) for algorithm in ALGORITHMS)
    return {algorithm: value for algorithm, value in named if value is not None}


def in_base64(checksum: Checksum) -> str:
    """A checksum as headers spell it."""
    return base64.b64encode(checksum.digest()).decode()
