"""aws-chunked bodies: sizes, chunk signatures, trailers. Takes raw bytes and gives the bytes that were meant.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and .../sigv4-streaming-trailers.html
"""

import hmac
from collections.abc import Iterable, Iterator
from hashlib import sha256

from outcrop.domain.errors import Fault
from outcrop.identity.refusals import Reason, refusal
from outcrop.identity.sigv4 import sign

_LONGEST_LINE = 16_384
_MOST_TRAILERS = 16
_LONGEST_SIZE_DIGITS = 12
_EMPTY_HASH = sha256(b"").hexdigest()
_SIGNATURE_TRAILER = "x-amz-trailer-signature"


class ChunkChain:
    """Chunk signatures, each over the one before it; the request's own signature is the first."""

    def __init__(self, *, key: bytes, stamp: str, scope: str, seed: str) -> None:
        self._key = key
        self._preamble = f"{stamp}\n{scope}"
        self._previous = seed

    def check_chunk(self, content_hash: str, given: str) -> None:
        """Refuse a chunk that is not the next one."""
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{_EMPTY_HASH}\n{content_hash}", given)

    def check_trailer(self, trailers: dict[str, str], given: str) -> None:
        """Refuse trailers that were not signed with this body."""
        listed = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        self._check("AWS4-HMAC-SHA256-TRAILER", sha256(listed.encode("latin-1")).hexdigest(), given)

    def _check(self, kind: str, content: str, given: str) -> None:
        expected = sign(self._key, f"{kind}\n{self._preamble}\n{self._previous}\n{content}")
        if not hmac.compare_digest(expected.encode(), given.encode("latin-1")):
            raise refusal("s3", Reason.MISMATCH)
        self._previous = expected


class ChunkedBody:
    """Iterates the content of an aws-chunked body; `trailers` are complete when the iteration is."""

    def __init__(self, source: Iterable[bytes], chain: ChunkChain | None, *, signed_trailer: bool) -> None:
        self._bytes = _Reader(source)
        self._chain = chain
        self._signed_trailer = signed_trailer
        self.trailers: dict[str, str] = {}

    def __iter__(self) -> Iterator[bytes]:
        while (size_and_signature := self._next_header())[0]:
            yield from self._chunk(*size_and_signature)
        self._read_trailers()

    def _next_header(self) -> tuple[int, str]:
        """The next chunk's size and signature; the last chunk is empty, and is checked here."""
        size_hex, _, extension = self._bytes.line().partition(b";")
        size = _size(size_hex.strip())
        signature = extension.partition(b"chunk-signature=")[2].strip().decode("latin-1")
        if size == 0 and self._chain:
            self._chain.check_chunk(_EMPTY_HASH, signature)
        return size, signature

    def _chunk(self, size: int, signature: str) -> Iterator[bytes]:
        content = sha256()
        for piece in self._bytes.take(size):
            if self._chain:
                content.update(piece)
            yield piece
        if self._bytes.line():
            raise Fault("InvalidRequest", "A chunk of the body is longer than its stated size.")
        if self._chain:
            self._chain.check_chunk(content.hexdigest(), signature)

    def _read_trailers(self) -> None:
        while line := self._bytes.line(may_end=True):
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.strip().lower()] = value.strip()
            if len(self.trailers) > _MOST_TRAILERS:
                raise Fault("MalformedTrailerError", "The request has too many trailers.")
        given = self.trailers.pop(_SIGNATURE_TRAILER, "")
        if self._chain and self._signed_trailer:
            self._chain.check_trailer(self.trailers, given)
        if self._bytes.line(may_end=True):
            raise Fault("InvalidRequest", "The body goes on after its last chunk.")


class _Reader:
    """Lines and counted bytes out of pieces of any size."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._pieces = iter(source)
        self._buffer = b""

    def line(self, *, may_end: bool = False) -> bytes:
        """The next line without its end. Where the body may end, its end is an empty line."""
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _LONGEST_LINE:
                raise Fault("InvalidRequest", "A line between the chunks of the body is too long.")
            if not self._fill():
                if may_end and not self._buffer:
                    return b""
                raise _incomplete()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def take(self, count: int) -> Iterator[bytes]:
        """Exactly `count` bytes, in pieces."""
        while count:
            if not self._buffer and not self._fill():
                raise _incomplete()
            piece, self._buffer = self._buffer[:count], self._buffer[count:]
            count -= len(piece)
            yield piece

    def _fill(self) -> bool:
        for piece in self._pieces:
            if piece:
                self._buffer += piece
                return True
        return False


def _size(digits: bytes) -> int:
    try:
        if not 0 < len(digits) <= _LONGEST_SIZE_DIGITS or not digits.isalnum():
            raise ValueError("not a size")
        return int(digits, 16)
    except ValueError:
        raise Fault("InvalidRequest", "A chunk of the body has no valid size.") from None


def _incomplete() -> Fault:
    return Fault("IncompleteBody", "The body ended before its last chunk.")
