"""Signature Version 2, query form, S3 only: what boto3 presigns by default in the oldest Regions.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from outcrop.identity.refusals import Reason, refusal
from outcrop.identity.request import SignedRequest

# fmt: off
_SIGNED_PARAMETERS = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location",
    "logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment",
    "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "restore", "select", "select-type",
    "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimV2:
    """A SigV2 presigned URL's parts; `expires` is in seconds since 1970."""

    access_key_id: str
    signature: str
    expires: int
    session_token: str | None


def is_v2(request: SignedRequest) -> bool:
    """Whether a request carries a SigV2 signature in its query."""
    return "AWSAccessKeyId=" in request.query and "authorization" not in request.headers


def read_claim_v2(request: SignedRequest) -> ClaimV2:
    """The SigV2 claim of a presigned request. Raises a refusal where a part is missing."""
    query = _query(request)
    expires = query.get("Expires", "")
    if not (query.get("AWSAccessKeyId") and query.get("Signature") and expires.isascii() and expires.isdigit()):
        raise refusal(
            "s3",
            Reason.UNSIGNED,
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )
    return ClaimV2(
        access_key_id=query["AWSAccessKeyId"],
        signature=query["Signature"],
        expires=int(expires[:15]),
        session_token=query.get("x-amz-security-token"),
    )


def signature_v2(secret: str, claim: ClaimV2, request: SignedRequest) -> str:
    """What the signature of this presigned request should be, in base64."""
    query = _query(request)
    lines = [request.method, *(_hoisted(query, request.headers, name) for name in ("content-md5", "content-type"))]
    text = "\n".join([*lines, str(claim.expires), *_amazon_headers(query, request.headers), _resource(request)])
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("latin-1"), "sha1")).decode()


def _query(request: SignedRequest) -> dict[str, str]:
    pairs = (part.partition("=")[::2] for part in request.query.split("&") if part)
    return {name: unquote(value.replace("+", " "), encoding="latin-1") for name, value in pairs}


def _hoisted(query: Mapping[str, str], headers: Mapping[str, str], name: str) -> str:
    """A header that the presigner may have moved into the query."""
    return query.get(name, headers.get(name, "")).strip()


def _amazon_headers(query: Mapping[str, str], headers: Mapping[str, str]) -> list[str]:
    named = {**headers, **query}
    return [f"{name}:{named[name].strip()}" for name in sorted(named) if name.startswith("x-amz-")]


def _resource(request: SignedRequest) -> str:
    pairs = [part.partition("=") for part in request.query.split("&") if part]
    signed = sorted(
        (name, sign, unquote(value, encoding="latin-1")) for name, sign, value in pairs if name in _SIGNED_PARAMETERS
    )
    listed = "&".join(name + sign + value for name, sign, value in signed)
    return request.path + ("?" + listed if listed else "")
