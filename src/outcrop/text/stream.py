"""Tokens in, exact text out, one token at a time: never half a character. Knows nothing of models."""

import codecs
from typing import Protocol

from tokenizers import Tokenizer as Library

REPLACEMENT = "�"


class TokenStream(Protocol):
    """Text as it grows."""

    def push(self, token: int) -> str:
        """The text that is certain after this token; may be empty."""

    def finish(self) -> str:
        """What is left at the end; an unfinished character becomes U+FFFD."""


class ByteStream:
    """For byte-level vocabularies: every token is bytes, so UTF-8's own incremental decoder is exact."""

    def __init__(self, token_bytes: list[bytes]) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """The text that is certain after this token; may be empty."""
        # A checkpoint may have more rows than its tokenizer has tokens: such a token says nothing.
        return self._decoder.decode(self._token_bytes[token] if token < len(self._token_bytes) else b"")

    def finish(self) -> str:
        """What is left at the end; an unfinished character becomes U+FFFD."""
        return self._decoder.decode(b"", final=True)


class WindowStream:
    """For any other vocabulary: decode a short window again, say what it gained, hold back what may still change."""

    def __init__(self, library: Library, special_ids: frozenset[int]) -> None:
        self._library = library
        self._special_ids = special_ids
        self._said: list[int] = []
        self._waiting: list[int] = []

    def push(self, token: int) -> str:
        """The text that is certain after this token; may be empty."""
        if token in self._special_ids:
            return ""
        self._waiting.append(token)
        gained = self._gained()
        if not gained or gained.endswith(REPLACEMENT):
            return ""
        # What was just said stays as context: decoders treat the first token of a sequence differently.
        self._said, self._waiting = self._waiting, []
        return gained

    def finish(self) -> str:
        """What is left at the end; an unfinished character becomes U+FFFD."""
        return self._gained()

    def _gained(self) -> str:
        before = self._library.decode(self._said)
        return str(self._library.decode(self._said + self._waiting)[len(before) :])
