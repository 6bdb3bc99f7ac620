"""Who sent this request: the claim is read, its key found, its signature computed again. Knows no operation."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from outcrop.domain import regions
from outcrop.domain.errors import Fault
from outcrop.identity.chunks import ChunkChain
from outcrop.identity.claims import Claim, Scope, read_claim
from outcrop.identity.refusals import Reason, refusal
from outcrop.identity.request import Credential, Expired, FindCredential, SignedRequest
from outcrop.identity.sigv2 import is_v2, read_claim_v2, signature_v2
from outcrop.identity.sigv4 import signature, signing_key

SKEW = timedelta(minutes=5)
LONGEST_PRESIGNED_S = 604_800
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_STREAMING_MODES = frozenset(
    {
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    }
)
_SHA256_HEX_LENGTH = 64
_EMPTY_SHA256 = sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who called, and how far the signature vouches for the body.

    `payload` is the signed word on the body: a SHA-256 in hex, UNSIGNED-PAYLOAD, or a streaming mode; `chain` checks
    the chunk signatures of a mode that has them. `bearer`: by an API key, which vouches for no body.
    """

    access_key_id: str
    arn: str
    user_id: str
    session: bool
    scope: Scope
    payload: str
    chain: ChunkChain | None
    bearer: bool = False


def authenticate(request: SignedRequest, service: str, find_credential: FindCredential, now: datetime) -> Identity:
    """The identity behind a request to `service`. Raises a Fault in that service's words for anything doubtful."""
    if service == "s3" and is_v2(request):
        return _authenticate_v2(request, find_credential, now)
    claim, credential = recognize(request, service, find_credential, now)
    payload = _payload_hash(claim, request, service)
    if not _equal(signature(credential.secret, claim, request, payload), claim.signature):
        raise refusal(service, Reason.MISMATCH)
    return _identity(claim.access_key_id, credential, claim.scope, payload, _chain(credential.secret, claim, payload))


def recognize(
    request: SignedRequest, service: str, find_credential: FindCredential, now: datetime
) -> tuple[Claim, Credential]:
    """What the head alone claims and whose key it names: good enough to read a body for, not to be believed.

    Raises a Fault in that service's words where no body could make this request valid.
    """
    claim = read_claim(request, service)
    _check_coverage(claim, request, service)
    _check_time(claim, service, now)
    return claim, _credential(claim.access_key_id, claim.session_token, service, find_credential, now)


def _authenticate_v2(request: SignedRequest, find_credential: FindCredential, now: datetime) -> Identity:
    claim = read_claim_v2(request)
    if now.timestamp() > claim.expires:
        raise refusal("s3", Reason.OVERDUE)
    credential = _credential(claim.access_key_id, claim.session_token, "s3", find_credential, now)
    if not _equal(signature_v2(credential.secret, claim, request), claim.signature):
        raise refusal("s3", Reason.MISMATCH)
    scope = Scope(region=regions.DEFAULT, service="s3")
    return _identity(claim.access_key_id, credential, scope, UNSIGNED_PAYLOAD, None)


def _check_coverage(claim: Claim, request: SignedRequest, service: str) -> None:
    """What changes the meaning of a request must be under its signature."""
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in claim.signed_headers]
    if unsigned:
        code = "AccessDenied" if service == "s3" else refusal(service, Reason.MISMATCH).code
        raise Fault(code, f"There were headers present in the request which were not signed: {', '.join(unsigned)}")
    if "host" not in claim.signed_headers:
        raise refusal(service, Reason.MALFORMED, "'Host' must be a signed header.")


def _check_time(claim: Claim, service: str, now: datetime) -> None:
    if claim.expires_s is None:
        if abs(now - claim.at) > SKEW:
            raise refusal(service, Reason.SKEWED)
        return
    if claim.expires_s > LONGEST_PRESIGNED_S:
        raise refusal(service, Reason.MALFORMED, "X-Amz-Expires must be at most a week, 604800 seconds.")
    if now < claim.at - SKEW:
        raise refusal(service, Reason.SKEWED)
    if now > claim.at + timedelta(seconds=claim.expires_s):
        raise refusal(service, Reason.OVERDUE)


def _credential(
    access_key_id: str, session_token: str | None, service: str, find_credential: FindCredential, now: datetime
) -> Credential:
    credential = find_credential(access_key_id, now)
    if credential is None:
        raise refusal(service, Reason.UNKNOWN_KEY)
    if isinstance(credential, Expired):
        raise refusal(service, Reason.EXPIRED)
    expected, sent = credential.session_token or "", session_token or ""
    if (expected or sent) and not _equal(expected, sent):
        raise refusal(service, Reason.WRONG_TOKEN)
    return credential


def _payload_hash(claim: Claim, request: SignedRequest, service: str) -> str:
    """The last line of the canonical request: what the client signed of its body. S3's may still be to come."""
    stated = request.headers.get("x-amz-content-sha256")
    if service == "s3":
        return _s3_payload(stated, presigned=claim.expires_s is not None)
    computed = sha256(request.body).hexdigest() if request.body else _EMPTY_SHA256
    if stated is not None and stated != computed:
        raise refusal(service, Reason.MISMATCH)
    return computed


def _s3_payload(stated: str | None, *, presigned: bool) -> str:
    if stated is None and presigned:
        return UNSIGNED_PAYLOAD
    if stated is None:
        raise Fault("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if stated != UNSIGNED_PAYLOAD and stated not in _STREAMING_MODES and len(stated) != _SHA256_HEX_LENGTH:
        raise Fault("InvalidRequest", "x-amz-content-sha256 must be a SHA-256 in hex or a known mode.")
    return stated


def _chain(secret: str, claim: Claim, payload: str) -> ChunkChain | None:
    if not payload.startswith("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
        return None
    scope = claim.credential_scope
    return ChunkChain(key=signing_key(secret, scope), stamp=claim.stamp, scope=scope, seed=claim.signature)


def _identity(
    access_key_id: str, credential: Credential, scope: Scope, payload: str, chain: ChunkChain | None
) -> Identity:
    return Identity(
        access_key_id=access_key_id,
        arn=credential.arn,
        user_id=credential.user_id,
        session=credential.session_token is not None,
        scope=scope,
        payload=payload,
        chain=chain,
    )


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
