"""One piece of a sealed file: Tink's AES256_GCM_HKDF_1MB, its sizes, and what binds a piece to its place.

A sealed file is a header (magic, random file id) and pieces of 8 MiB of plaintext, the last one shorter or full; an
empty file is one empty piece. Tink's streams cannot seek, pieces can: that is all they are for. Each piece's
associated data names the file id, the piece's number, its length, whether it is the last, and the file's context, so
that a piece cannot be moved, cut, repeated, or taken from another file under the same key.
"""

import io
import struct
from functools import cache
from typing import BinaryIO

import tink
from tink import secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2, common_pb2, tink_pb2

PIECE_BYTES = 8 << 20
MAGIC = b"OUTCSEA1"
FILE_ID_BYTES = 16
HEADER_BYTES = len(MAGIC) + FILE_ID_BYTES

# Fixed by Tink's format for this key type: a stream header (1 + 32 byte salt + 7 byte nonce prefix), then segments of
# 1 MiB of ciphertext, each with a 16-byte tag; the stream header takes its room from the first segment.
_SEGMENT = 1 << 20
_STREAM_HEADER = 40
_TAG = 16
_FIRST_PLAIN = _SEGMENT - _STREAM_HEADER - _TAG
_NEXT_PLAIN = _SEGMENT - _TAG
_TYPE = "type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey"


@cache
def _register() -> None:
    streaming_aead.register()


def aead(key: bytes) -> streaming_aead.StreamingAead:
    """Tink's AES256_GCM_HKDF_1MB primitive on a raw 32-byte key."""
    if len(key) != 32:
        raise ValueError("a sealing key has 32 bytes")
    _register()
    params = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingParams(
        ciphertext_segment_size=_SEGMENT, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256
    )
    raw = aes_gcm_hkdf_streaming_pb2.AesGcmHkdfStreamingKey(version=0, params=params, key_value=key)
    keyset = tink_pb2.Keyset(primary_key_id=1)
    keyset.key.add(
        key_data=tink_pb2.KeyData(
            type_url=_TYPE, value=raw.SerializeToString(), key_material_type=tink_pb2.KeyData.SYMMETRIC
        ),
        status=tink_pb2.ENABLED,
        key_id=1,
        output_prefix_type=tink_pb2.RAW,
    )
    handle = tink.proto_keyset_format.parse(keyset.SerializeToString(), secret_key_access.TOKEN)
    return handle.primitive(streaming_aead.StreamingAead)


def binding(file_id: bytes, number: int, length: int, last: bool, context: bytes) -> bytes:
    """A piece's associated data. Every field before the context has a fixed width, so no two can read alike."""
    return MAGIC + file_id + struct.pack(">QI?", number, length, last) + context


def sealed_size(length: int) -> int:
    """Ciphertext bytes of a piece of `length` plaintext bytes."""
    further = -(-max(0, length - _FIRST_PLAIN) // _NEXT_PLAIN)
    return length + _STREAM_HEADER + _TAG * (1 + further)


FULL_SEALED = sealed_size(PIECE_BYTES)


def plain_size(sealed: int) -> int | None:
    """Plaintext bytes of a piece of `sealed` ciphertext bytes, or None where no piece has that size."""
    segments = -(-sealed // _SEGMENT)
    length = sealed - _STREAM_HEADER - _TAG * segments
    if length < 0 or length > PIECE_BYTES or sealed_size(length) != sealed:
        return None
    return length


class KeptOpen(io.RawIOBase):
    """A file to write to that outlives Tink's stream, which closes what it is given.

    `failure` is what the file raised (a full disk): Tink would only say that writing failed.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # Tink hands over bytes, never another buffer
        """Write to the file beneath."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = error
            raise
