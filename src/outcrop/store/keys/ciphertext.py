"""The blob that Encrypt answers: it names its key and the version of its material, and is bound to a context.

    magic (4) | length of the key's ARN (2) | ARN | material version (4) | sealed message

Everything before the sealed message, and the encryption context, is authenticated with it. Knows no database.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from outcrop.domain.errors import Fault, SealBroken
from outcrop.sealed import open_bytes, seal_bytes

_MAGIC = b"OKM\x01"
_LENGTH = struct.Struct(">H")
_VERSION = struct.Struct(">I")

Context = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A ciphertext blob taken apart."""

    key_arn: str
    version: int
    sealed: bytes


def encrypt(material: bytes, envelope: tuple[str, int], plaintext: bytes, context: Context) -> bytes:
    """The blob of a plaintext under the material of (key ARN, version)."""
    header = _header(*envelope)
    return header + seal_bytes(material, plaintext, _bound(header, context))


def decrypt(material: bytes, envelope: Envelope, context: Context) -> bytes:
    """The plaintext of a blob; InvalidCiphertextException where material, context or bytes are not its own."""
    header = _header(envelope.key_arn, envelope.version)
    try:
        return open_bytes(material, envelope.sealed, _bound(header, context))
    except SealBroken:
        raise invalid_ciphertext() from None


def open_envelope(blob: bytes) -> Envelope:
    """The parts of a blob; InvalidCiphertextException for bytes that are none."""
    body = blob[len(_MAGIC) :]
    if not blob.startswith(_MAGIC) or len(body) < _LENGTH.size:
        raise invalid_ciphertext()
    (length,) = _LENGTH.unpack_from(body)
    rest = body[_LENGTH.size + length :]
    if len(rest) < _VERSION.size:
        raise invalid_ciphertext()
    try:
        arn = body[_LENGTH.size : _LENGTH.size + length].decode()
    except UnicodeDecodeError:
        raise invalid_ciphertext() from None
    return Envelope(arn, _VERSION.unpack_from(rest)[0], rest[_VERSION.size :])


def key_named_by(blob: bytes) -> str:
    """The ARN of the key that a blob was made with."""
    return open_envelope(blob).key_arn


def invalid_ciphertext() -> Fault:
    """One answer for every way to be wrong: it tells nothing about which."""
    return Fault(
        "InvalidCiphertextException",
        "The ciphertext is corrupted, or it was not encrypted with this key and encryption context.",
    )


def _header(key_arn: str, version: int) -> bytes:
    arn = key_arn.encode()
    return _MAGIC + _LENGTH.pack(len(arn)) + arn + _VERSION.pack(version)


def _bound(header: bytes, context: Context) -> bytes:
    return header + json.dumps(dict(context), sort_keys=True, separators=(",", ":")).encode()
