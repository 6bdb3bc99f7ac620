"""What travels through the wire: a matched request going in, a response going out. Knows nothing of any service."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.wire.operation import Operation

Headers = Mapping[str, str]
"""Request headers; names in lower case."""

Query = Sequence[tuple[str, str]]
"""Decoded pairs of the query string, in order."""

RequestBody = bytes | Iterable[bytes]
"""Whole, or the chunks of a streaming blob (see `Operation.streams_in`)."""

ResponseBody = bytes | Iterator[bytes] | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A request's operation and what its path says: labels by wire name, still text, already decoded."""

    operation: "Operation"
    uri: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a parser reads."""

    uri: Mapping[str, str]
    query: Query
    headers: Headers
    body: RequestBody

    def whole_body(self) -> bytes:
        """The body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """What the server sends. Header names are in lower case; a body of bytes has its content-length."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: ResponseBody


Params = dict[str, Any]
