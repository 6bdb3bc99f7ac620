"""S3's checksums (all but xxHash) computed while bytes pass, and those of a whole made of parts. Knows no request.

An algorithm is named as S3's API names it (`CRC64NVME`); a checksum is base64 of its big-endian digest.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import anycrc

DEFAULT_ALGORITHM = "CRC64NVME"  # what S3 adds where the client sends none
COMPOSITE, FULL_OBJECT = "COMPOSITE", "FULL_OBJECT"


class Running(Protocol):
    """A digest under way."""

    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""

    def digest(self) -> bytes:
        """The digest of all that was taken in."""


class Digests:
    """MD5 (every ETag needs it) and the asked-for checksums of one stream of bytes."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._running = {name: ALGORITHMS[name]() for name in algorithms}

    def update(self, data: bytes) -> None:
        """Take in more bytes."""
        self._md5.update(data)
        for running in self._running.values():
            running.update(data)

    @property
    def md5(self) -> bytes:
        """MD5 so far."""
        return self._md5.digest()

    def checksums(self) -> dict[str, str]:
        """Algorithm -> base64, of all that was taken in."""
        return {name: encode(running.digest()) for name, running in self._running.items()}


def encode(digest: bytes) -> str:
    """A digest as S3 writes it."""
    return base64.b64encode(digest).decode()


@dataclass(frozen=True, slots=True)
class PartSum:
    """A part's checksum and its size in bytes."""

    checksum: str
    size: int


def default_type(algorithm: str) -> str:
    """What a multipart upload's checksum means when the client does not say."""
    return FULL_OBJECT if algorithm == DEFAULT_ALGORITHM else COMPOSITE


def allowed_types(algorithm: str) -> frozenset[str]:
    """CRCs of parts can be joined into the whole's; the other digests only composed. CRC64NVME is always whole."""
    if algorithm == DEFAULT_ALGORITHM:
        return frozenset({FULL_OBJECT})
    return frozenset({FULL_OBJECT, COMPOSITE}) if algorithm in _JOINS else frozenset({COMPOSITE})


def of_whole(algorithm: str, checksum_type: str, parts: Sequence[PartSum]) -> str:
    """The checksum of the object that these parts make."""
    if checksum_type == COMPOSITE:
        joined = ALGORITHMS[algorithm]()
        joined.update(b"".join(base64.b64decode(part.checksum) for part in parts))
        return f"{encode(joined.digest())}-{len(parts)}"
    join, width = _JOINS[algorithm]
    value = 0
    for part in parts:
        value = join(value, int.from_bytes(base64.b64decode(part.checksum)), part.size)
    return encode(value.to_bytes(width))


_CRC_MODELS = {
    "CRC32": anycrc.Model("CRC32"),
    "CRC32C": anycrc.Model("CRC32C"),
    "CRC64NVME": anycrc.Model("CRC64-NVME"),
}


class _Crc:
    def __init__(self, name: str, width: int) -> None:
        self._model, self._width, self._value = _CRC_MODELS[name], width, 0

    def update(self, data: bytes, /) -> None:
        self._value = self._model.calc(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width)


ALGORITHMS: dict[str, Callable[[], Running]] = {
    "CRC32": lambda: _Crc("CRC32", 4),
    "CRC32C": lambda: _Crc("CRC32C", 4),
    "CRC64NVME": lambda: _Crc("CRC64NVME", 8),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
}
_JOINS: dict[str, tuple[Callable[[int, int, int], int], int]] = {
    "CRC32": (_CRC_MODELS["CRC32"].combine, 4),
    "CRC32C": (_CRC_MODELS["CRC32C"].combine, 4),
    "CRC64NVME": (_CRC_MODELS["CRC64NVME"].combine, 8),
}
