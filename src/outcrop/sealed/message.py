"""Small secrets sealed whole: keys, credentials, tokens. Knows no files.

A sealed message is a version byte, a random 12-byte nonce, and AES-256-GCM's ciphertext with its tag.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from outcrop.domain.errors import SealBroken

KEY_BYTES = 32
_VERSION = b"\x01"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_DOMAIN = b"outcrop sealed message 1\x00"  # keeps a message from ever passing for anything else made with the same key


def new_key() -> bytes:
    """A fresh random 256-bit key."""
    return os.urandom(KEY_BYTES)


def seal_bytes(key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """`plaintext` encrypted and bound to `context`, which must be given again to open it."""
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, _DOMAIN + context)


def open_bytes(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """What `seal_bytes` was given. Raises SealBroken for another key, another context, or altered bytes."""
    start = len(_VERSION) + _NONCE_BYTES
    if len(sealed) < start + _TAG_BYTES or not sealed.startswith(_VERSION):
        raise SealBroken("This is not a sealed message, or it was cut short.")
    try:
        return AESGCM(key).decrypt(sealed[len(_VERSION) : start], sealed[start:], _DOMAIN + context)
    except InvalidTag as refused:
        raise SealBroken(
            "A sealed message does not open: it was altered, or key or context are not its own."
        ) from refused
