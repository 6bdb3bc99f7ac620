"""S3's bodies: streamed or whole, always checked against what the client declared. Knows no operation by name."""

from collections.abc import Mapping

from outcrop import wire
from outcrop.identity import CheckedBody, Identity
from outcrop.server.bodies import Feed, read_whole
from outcrop.server.incoming import Incoming

_SIGNATURES_OWN = frozenset(
    {"algorithm", "credential", "date", "expires", "signedheaders", "signature", "security-token", "content-sha256"}
)


async def s3_body(request: Incoming, operation: wire.Operation, caller: Identity, most_bytes: int) -> wire.RequestBody:
    """The checked body: as it comes, for an operation that takes it so, else whole."""
    headers = request.signed.headers
    applies = bool(operation.model.http_checksum)  # elsewhere a checksum header speaks of something else than the body
    if operation.streams_in:
        return CheckedBody(Feed(request.receive), headers, caller, checksums_apply=applies)
    whole = await read_whole(request.receive, headers, most_bytes)
    return CheckedBody([whole], headers, caller, checksums_apply=applies).read()


def with_hoisted_headers(headers: Mapping[str, str], query: wire.Query) -> Mapping[str, str]:
    """A presigned URL may carry headers in its query: x-amz-meta-who=ada is as good as the header, and goes before it.

    Every signature covers the whole of the query's x-amz- parameters, in whatever case.
    """
    hoisted = {name.lower(): value for name, value in query if _is_hoisted(name.lower())}
    return {**headers, **hoisted} if hoisted else headers


def _is_hoisted(name: str) -> bool:
    return name.startswith("x-amz-") and name.removeprefix("x-amz-") not in _SIGNATURES_OWN
