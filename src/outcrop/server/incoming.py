"""A request as it came over the socket. Knows ASGI's messages; knows nothing of services."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from outcrop import wire
from outcrop.identity import SignedRequest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request: its head, and the way to its body. `signed` is the head as its signature sees it."""

    request_id: str
    at: datetime
    signed: SignedRequest
    raw_query: bytes
    receive: Receive
    source_ip: str | None = None

    def query(self) -> wire.Query:
        """The decoded pairs of the query string."""
        return wire.read_query(self.raw_query) if self.raw_query else ()

    def with_body(self, body: bytes | None) -> SignedRequest:
        """What the signature is checked against once the body is there."""
        return replace(self.signed, body=body) if body else self.signed

    def with_headers(self, headers: Mapping[str, str]) -> "Incoming":
        """The same request under other headers: for its parser, once its signature has been checked."""
        return replace(self, signed=replace(self.signed, headers=headers))


def read_head(scope: Message, receive: Receive, request_id: str, at: datetime) -> Incoming:
    """A request of which the body is still to come."""
    raw_query = scope["query_string"]
    signed = SignedRequest(
        method=scope["method"],
        path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        query=raw_query.decode("latin-1"),
        headers=_headers(scope["headers"]),
        body=None,
    )
    client = scope.get("client")
    return Incoming(
        request_id=request_id,
        at=at,
        signed=signed,
        raw_query=raw_query,
        receive=receive,
        source_ip=client[0] if client else None,
    )


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Lower-case names; a repeated header's values are joined by commas, as HTTP allows."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers
