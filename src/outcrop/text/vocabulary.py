"""What a tokenizer's vocabulary says of itself: its special tokens, and each token's bytes where it is byte-level.

Knows nothing of templates or records.
"""

import json
from typing import Any

from tokenizers import Tokenizer as Library


class Vocabulary:
    """`special` maps spelling to id; `token_bytes` is None where tokens are not plain bytes."""

    def __init__(self, library: Library, definition: str) -> None:
        added = library.get_added_tokens_decoder()
        self.special: dict[str, int] = {token.content: id_ for id_, token in added.items() if token.special}
        self._added = {id_: token.content for id_, token in added.items()}
        self.special_ids = frozenset(self.special.values())
        self.token_bytes: list[bytes] | None = None
        if _decodes_bytes(json.loads(definition).get("decoder")):
            plain = {id_: token.content for id_, token in added.items() if not token.special}
            self.token_bytes = [self._bytes_of(library, id_, plain) for id_ in range(_end_of_ids(library))]

    def added_from(self, first: int) -> dict[int, str]:
        """Tokens that were added to it with ids from `first` on, with their spelling."""
        return {id_: spelling for id_, spelling in self._added.items() if id_ >= first}

    def _bytes_of(self, library: Library, token_id: int, plain: dict[int, str]) -> bytes:
        if token_id in self.special_ids:
            return b""
        text = plain.get(token_id)
        return text.encode() if text is not None else _from_byte_letters(library.id_to_token(token_id) or "")


def _end_of_ids(library: Library) -> int:
    return max(library.get_vocab(with_added_tokens=True).values(), default=-1) + 1


def _decodes_bytes(decoder: dict[str, Any] | None) -> bool:
    return decoder is not None and decoder.get("type") == "ByteLevel"


def _byte_letters() -> dict[str, int]:
    """The byte-level alphabet (GPT-2): printable bytes stand for themselves, the others for letters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + at): byte for at, byte in enumerate(others)}


_BYTE_LETTERS = _byte_letters()


def _from_byte_letters(token: str) -> bytes:
    if all(letter in _BYTE_LETTERS for letter in token):
        return bytes(_BYTE_LETTERS[letter] for letter in token)
    return token.encode()
