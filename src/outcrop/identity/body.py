"""A request's body, checked as it passes: length, hash, checksums, chunk signatures. Knows nothing of where it goes."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping

from outcrop.domain.errors import Fault
from outcrop.identity.authenticate import Identity
from outcrop.identity.checksums import HEADER_PREFIX, begin, declared, in_base64, promised
from outcrop.identity.chunks import ChunkedBody
from outcrop.store.checksums import Running

_SHA256_HEX_LENGTH = 64


class CheckedBody:
    """Iterates the bytes that were meant, and raises a Fault at their end if anything about them was not as declared.

    So commit only after the last piece. `checksums` then holds, by algorithm, what was declared and is true.
    `checksums_apply` is False for an operation whose checksum headers speak of something other than its body.
    """

    def __init__(
        self, source: Iterable[bytes], headers: Mapping[str, str], identity: Identity, *, checksums_apply: bool = True
    ) -> None:
        self._source = source
        self._headers = headers
        self._identity = identity
        self._declared = declared(headers) if checksums_apply else {}
        self._promised = promised(headers)
        self.checksums: dict[str, str] = {}

    def __iter__(self) -> Iterator[bytes]:
        source, trailers = self._unwrapped()
        running = {name: begin(name) for name in (*self._declared, *self._promised)} | self._whole_body_hashes()
        length = 0
        for piece in source:
            length += len(piece)
            for checksum in running.values():
                checksum.update(piece)
            yield piece
        self._check_length(length)
        self._check_hashes(running)
        self._check_checksums(running, trailers)

    def read(self) -> bytes:
        """The whole body at once."""
        return b"".join(self)

    def _unwrapped(self) -> tuple[Iterable[bytes], Mapping[str, str]]:
        mode = self._identity.payload
        if not mode.startswith("STREAMING-"):
            return self._source, {}
        chunked = ChunkedBody(self._source, self._identity.chain, signed_trailer=mode.endswith("-TRAILER"))
        return chunked, chunked.trailers

    def _whole_body_hashes(self) -> dict[str, Running]:
        hashes: dict[str, Running] = {}
        if len(self._identity.payload) == _SHA256_HEX_LENGTH:
            hashes["x-amz-content-sha256"] = hashlib.sha256()
        if "content-md5" in self._headers:
            hashes["content-md5"] = hashlib.md5(usedforsecurity=False)
        return hashes

    def _check_length(self, length: int) -> None:
        name = "x-amz-decoded-content-length" if self._identity.payload.startswith("STREAMING-") else "content-length"
        stated = self._headers.get(name, str(length))
        if stated != str(length):
            raise Fault("IncompleteBody", f"The body has {length} bytes, but {name} says {stated[:20]}.")

    def _check_hashes(self, running: Mapping[str, Running]) -> None:
        sha = running.get("x-amz-content-sha256")
        if sha is not None and sha.digest().hex() != self._identity.payload:
            raise Fault(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        md5 = running.get("content-md5")
        if md5 is not None and in_base64(md5) != self._headers["content-md5"].strip():
            raise _bad_md5(self._headers["content-md5"])

    def _check_checksums(self, running: Mapping[str, Running], trailers: Mapping[str, str]) -> None:
        trailed = declared(trailers)
        missing = [name for name in self._promised if name not in trailed]
        if missing:
            raise Fault("MalformedTrailerError", f"The trailer lacks {HEADER_PREFIX}{missing[0]}.")
        for name, stated in (self._declared | trailed).items():
            computed = in_base64(running[name]) if name in running else None
            if computed is None:
                raise Fault("MalformedTrailerError", f"The trailer {HEADER_PREFIX}{name} was not announced.")
            if computed != stated.strip():
                raise Fault("BadDigest", f"The {name.upper()} you specified did not match the calculated checksum.")
            self.checksums[name] = computed


def _bad_md5(stated: str) -> Fault:
    try:
        valid = len(base64.b64decode(stated, validate=True)) == hashlib.md5(usedforsecurity=False).digest_size
    except ValueError:
        valid = False
    if valid:
        return Fault("BadDigest", "The Content-MD5 you specified did not match what we received.")
    return Fault("InvalidDigest", "The Content-MD5 you specified is not valid.")
