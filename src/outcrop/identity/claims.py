"""What a request says of itself: which key signed it, when, and over what. Believes nothing yet."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import parse_qsl

from outcrop.identity.refusals import Reason, refusal
from outcrop.identity.request import SignedRequest

ALGORITHM = "AWS4-HMAC-SHA256"
_CREDENTIAL = "Credential="
_LONGEST_CREDENTIAL = 512
_KEPT = 1024  # of what was read, by its text: a client says the same all day, the same moment for a second
_CREDENTIALS_END = re.compile(r"[, &]")
# A client's own name for a Region counts as well (`local`): what was made under it stays within reach.
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_SCOPE = re.compile(r"[0-9]{8}/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_STAMP_LENGTH = len("20261231T235959Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Region and service that a signature is for. SigV2 names neither: it is S3's in the default Region."""

    region: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A SigV4 signature's parts. `expires_s` is set for a presigned request and None for a header."""

    access_key_id: str
    scope: Scope
    stamp: str
    at: datetime
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    expires_s: int | None

    @property
    def credential_scope(self) -> str:
        """Day, Region and service, as they are signed."""
        return f"{self.stamp[:8]}/{self.scope.region}/{self.scope.service}/aws4_request"


def claimed_scope(request: SignedRequest) -> Scope | None:
    """The Region and service that a request claims, so that a refusal can speak the right dialect. Never raises."""
    scope = _scope_of(request.headers.get("authorization", "").partition(_CREDENTIAL)[2])
    if scope is None and "X-Amz-Credential=" in request.query:
        scope = _scope_of(dict(parse_qsl(request.query)).get("X-Amz-Credential", ""))
    return scope


def _scope_of(stated: str) -> Scope | None:
    """The scope of the credential that a text begins with. Anyone may send any text: it is looked at once, and cut."""
    return _scope_in(_CREDENTIALS_END.split(stated[:_LONGEST_CREDENTIAL], maxsplit=1)[0]) if stated else None


@lru_cache(maxsize=_KEPT)
def _scope_in(credential: str) -> Scope | None:
    found = _SCOPE.fullmatch(credential.partition("/")[2])
    return None if found is None else Scope(region=found[1], service=found[2])


def read_claim(request: SignedRequest, service: str) -> Claim:
    """The SigV4 claim of a request. Raises a refusal in `service`'s dialect where there is none, or it is malformed."""
    authorization = request.headers.get("authorization")
    if authorization is None:
        return _from_query(request, service)
    if authorization.startswith("Bearer "):
        raise refusal(service, Reason.BEARER)
    if not authorization.startswith(ALGORITHM + " "):
        raise refusal(service, Reason.MALFORMED, f"The authorization must be {ALGORITHM}.")
    return _from_header(request, authorization, service)


def _from_header(request: SignedRequest, authorization: str, service: str) -> Claim:
    parts = {name.strip(): value.strip() for name, _, value in _pairs(authorization[len(ALGORITHM) + 1 :])}
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not parts.get(name)]
    if missing:
        raise refusal(service, Reason.MALFORMED, f"Authorization header requires {', '.join(missing)}.")
    return _claim(
        service,
        {**parts, "Date": request.headers.get("x-amz-date", "")},
        session_token=request.headers.get("x-amz-security-token"),
        expires_s=None,
    )


def _pairs(listed: str) -> list[tuple[str, str, str]]:
    return [part.partition("=") for part in listed.split(",")]


def _from_query(request: SignedRequest, service: str) -> Claim:
    query = dict(parse_qsl(request.query, keep_blank_values=True, encoding="latin-1"))
    algorithm = query.get("X-Amz-Algorithm")
    if algorithm is None:
        raise refusal(service, Reason.UNSIGNED)
    parts = {name: query.get(f"X-Amz-{name}", "") for name in ("Credential", "SignedHeaders", "Signature", "Date")}
    if algorithm != ALGORITHM or not all(parts.values()):
        raise refusal(service, Reason.MALFORMED, f"A presigned request needs {ALGORITHM} and every X-Amz- parameter.")
    expires = query.get("X-Amz-Expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 6):
        raise refusal(service, Reason.MALFORMED, "X-Amz-Expires must be a number of seconds, at most 604800.")
    return _claim(service, parts, session_token=query.get("X-Amz-Security-Token"), expires_s=int(expires))


def _claim(service: str, parts: dict[str, str], *, session_token: str | None, expires_s: int | None) -> Claim:
    credential = parts["Credential"].split("/")
    at = _moment(parts["Date"])
    if len(credential) != 5 or at is None:
        raise refusal(service, Reason.MALFORMED, "Credential must have five parts, and X-Amz-Date be a moment.")
    access_key_id, day, region, claimed_service, terminator = credential
    if (
        not _REGION.fullmatch(region)
        or day != parts["Date"][:8]
        or terminator != "aws4_request"
        or claimed_service != service
    ):
        raise refusal(service, Reason.WRONG_SCOPE)
    signed_headers = tuple(parts["SignedHeaders"].split(";"))
    if len(set(signed_headers)) != len(signed_headers):  # each would stand in the canonical request with its value
        raise refusal(service, Reason.MALFORMED, "SignedHeaders must name each header once.")
    return Claim(
        access_key_id=access_key_id,
        scope=Scope(region=region, service=claimed_service),
        stamp=parts["Date"],
        at=at,
        signed_headers=signed_headers,
        signature=parts["Signature"],
        session_token=session_token,
        expires_s=expires_s,
    )


def _moment(stamp: str) -> datetime | None:
    return _moment_of(stamp) if len(stamp) == _STAMP_LENGTH else None


@lru_cache(maxsize=_KEPT)
def _moment_of(stamp: str) -> datetime | None:
    found = _STAMP.fullmatch(stamp)
    if found is None:
        return None
    try:
        return datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]  # six ints
    except ValueError:
        return None
