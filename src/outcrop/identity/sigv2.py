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
    "abac", "accelerate", "acl", "analytics", "annotation", "attributes", "cors", "defaultObjectAcl",
    "delete", "encryption", "intelligent-tiering", "inventory", "legal-hold", "lifecycle", "location", "logging",
    "metadataAnnotationTable", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable",
    "metadataTable", "metrics", "notification", "object-lock", "ownershipControls", "partNumber", "policy",
    "policyStatus", "publicAccessBlock", "renameObject", "replication", "requestPayment", "response-cache-control",
    "response-content-disposition", "response-content-encoding", "response-content-language",
    "response-content-type", "response-expires", "restore", "retention", "select", "select-type", "session",
    "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
})
# fmt: on
_HOISTED = frozenset({"content-md5", "content-type"})


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
    _refuse_doubt(request, query)
    return ClaimV2(
        access_key_id=query["AWSAccessKeyId"],
        signature=query["Signature"],
        expires=int(expires[:15]),
        session_token=query.get("x-amz-security-token"),
    )


def signature_v2(secret: str, claim: ClaimV2, request: SignedRequest) -> str:
    """What the signature of this presigned request should be, in base64."""
    query = _query(request)
    lines = [request.method, *(_hoisted(query, request.headers, name) for name in sorted(_HOISTED))]
    text = "\n".join([*lines, str(claim.expires), *_amazon_headers(query, request.headers), _resource(request)])
    return base64.b64encode(hmac.digest(secret.encode(), text.encode("latin-1"), "sha1")).decode()


def _refuse_doubt(request: SignedRequest, query: Mapping[str, str]) -> None:
    """Raise where two readings of the request have the same string to sign: only one of them was signed."""
    for name, value in query.items():
        if _is_header(name) and value.strip() != request.headers.get(name, value).strip():
            raise refusal("s3", Reason.MISMATCH, "A header and the parameter of its name do not agree.")
        if _is_header(name) and ("\n" in name + value or ":" in name):
            raise refusal("s3", Reason.MISMATCH, "A parameter that stands for a header holds what no header can.")
        if name in _SIGNED_PARAMETERS and not _SIGNED_PARAMETERS.isdisjoint(_names_within(value)):
            raise refusal("s3", Reason.MISMATCH, f"The value of the parameter {name} holds another parameter.")


def _names_within(value: str) -> list[str]:
    return [part.partition("=")[0] for part in value.split("&")[1:]]


def _is_header(name: str) -> bool:
    return name.startswith("x-amz-") or name in _HOISTED


def _query(request: SignedRequest) -> dict[str, str]:
    """The parameters by name. A header among them counts in any case, since that is how it is applied."""
    return {
        name.lower() if name.lower().startswith("x-amz-") else name: value for name, _, value in _parameters(request)
    }


def _parameters(request: SignedRequest) -> list[tuple[str, str, str]]:
    """Name, sign and value of each parameter, decoded as they are for whoever looks for the operation."""
    parts = (part.partition("=") for part in request.query.split("&") if part)
    return [(_decoded(name), sign, _decoded(value)) for name, sign, value in parts]


def _decoded(text: str) -> str:
    return unquote(text.replace("+", " "), encoding="latin-1")


def _hoisted(query: Mapping[str, str], headers: Mapping[str, str], name: str) -> str:
    """A header that the presigner may have moved into the query."""
    return query.get(name, headers.get(name, "")).strip()


def _amazon_headers(query: Mapping[str, str], headers: Mapping[str, str]) -> list[str]:
    named = {**headers, **query}
    return [f"{name}:{named[name].strip()}" for name in sorted(named) if name.startswith("x-amz-")]


def _resource(request: SignedRequest) -> str:
    signed = sorted(parameter for parameter in _parameters(request) if parameter[0] in _SIGNED_PARAMETERS)
    listed = "&".join(name + sign + value for name, sign, value in signed)
    return request.path + ("?" + listed if listed else "")
