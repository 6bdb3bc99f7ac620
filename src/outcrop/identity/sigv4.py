"""Signature Version 4: the canonical request and its signature. Knows nothing of who may do what.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import re
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

from outcrop.identity.claims import ALGORITHM, Claim
from outcrop.identity.request import SignedRequest

_SIGNING_KEYS_KEPT = 4096
_UNRESERVED = "-_.~"


def signature(secret: str, claim: Claim, request: SignedRequest, payload_hash: str) -> str:
    """What the signature of this request should be, in hex."""
    canonical = canonical_request(claim, request, payload_hash)
    scope = claim.credential_scope
    to_sign = f"{ALGORITHM}\n{claim.stamp}\n{scope}\n{sha256(canonical).hexdigest()}"
    return sign(signing_key(secret, scope), to_sign)


@lru_cache(maxsize=_SIGNING_KEYS_KEPT)
def signing_key(secret: str, scope: str) -> bytes:
    """The key of a day, Region and service, derived from the secret."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """The hex signature of a string to sign."""
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


def canonical_request(claim: Claim, request: SignedRequest, payload_hash: str) -> bytes:
    """The request in the one form that both sides can hash."""
    sent = request.headers
    headers = "".join([f"{name}:{_folded(sent.get(name, ''))}\n" for name in claim.signed_headers])
    return "\n".join(
        (
            request.method,
            canonical_path(request.path, claim.scope.service),
            canonical_query(request.query, presigned=claim.expires_s is not None),
            headers,
            ";".join(claim.signed_headers),
            payload_hash,
        )
    ).encode("latin-1")


def _folded(value: str) -> str:
    value = value.strip()
    return " ".join(value.split()) if "  " in value else value


def canonical_path(path: str, service: str) -> str:
    """The path as it is signed. S3 signs it as sent; every other service without dot segments and encoded once more."""
    if service == "s3":
        return (
            quote(path, safe="/%" + _UNRESERVED) or "/"
        )  # a client may leave `(` bare on the wire, never in what it signs
    plain = _without_dots(path)
    if _ENCODED.fullmatch(plain):
        return plain.replace("%", "%25")  # what `quote` would say, in a tenth of its time
    return quote(plain, safe="/" + _UNRESERVED)


def _without_dots(path: str) -> str:
    if "//" not in path and "/." not in path:
        return path or "/"
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    slash = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + slash


def canonical_query(query: str, *, presigned: bool) -> str:
    """The query sorted and strictly encoded, without a presigned request's own signature."""
    if not query:
        return ""
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    encoded = sorted((_strict(name), _strict(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded if not (presigned and name == "X-Amz-Signature"))


_PLAIN = re.compile(r"[A-Za-z0-9\-_.~]*", re.ASCII)
_ENCODED = re.compile(r"[A-Za-z0-9\-_.~/%]*", re.ASCII)


def _strict(encoded: str) -> str:
    if _PLAIN.fullmatch(encoded):
        return encoded
    return quote_from_bytes(unquote_to_bytes(encoded.replace("+", " ").encode("latin-1")), safe=_UNRESERVED)
