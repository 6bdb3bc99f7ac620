"""Encrypted bytes and files: write, read, refuse what was altered. Given a key, knows nothing of where keys come from.

Small things are one AES-256-GCM message (`seal_bytes`); files are pieces of Tink's streaming AEAD (`SealedWriter`,
`SealedReader`). Everything is bound to a context, the name of what it is: the right bytes in the wrong
place are refused.
"""

from outcrop.sealed.message import KEY_BYTES, new_key, open_bytes, seal_bytes
from outcrop.sealed.piece import PIECE_BYTES
from outcrop.sealed.plain_file import as_file
from outcrop.sealed.reader import SealedReader
from outcrop.sealed.writer import PARTIAL_SUFFIX, SealedWriter

__all__ = [
    "KEY_BYTES",
    "PARTIAL_SUFFIX",
    "PIECE_BYTES",
    "SealedReader",
    "SealedWriter",
    "as_file",
    "new_key",
    "open_bytes",
    "seal_bytes",
]
