"""The one place where a Fault becomes an error of OpenAI's dialect: status, type, code. Knows no operation."""

from dataclasses import dataclass
from typing import Any

import msgspec

from outcrop import wire
from outcrop.domain.errors import Fault
from outcrop.wire.responses import whole

REQUEST_ID = b"x-request-id"  # where OpenAI's clients look for it
INVALID, SERVER = "invalid_request_error", "server_error"
NO_KEY = Fault(
    "invalid_api_key",
    "Show a living API key as `Authorization: Bearer KEY`; hint: outcrop keys create --user NAME",
)


@dataclass(frozen=True, slots=True)
class _Spoken:
    """How one kind of fault is said."""

    status: int
    type: str
    code: str | None


_SPOKEN = {
    "invalid_api_key": _Spoken(401, INVALID, "invalid_api_key"),
    "ValidationException": _Spoken(400, INVALID, None),
    "AccessDeniedException": _Spoken(403, "permission_error", "access_denied"),
    "ResourceNotFoundException": _Spoken(404, INVALID, "model_not_found"),
    "UnknownOperationException": _Spoken(404, INVALID, "unknown_url"),
    "MethodNotAllowed": _Spoken(405, INVALID, "method_not_allowed"),
    "RequestTimeout": _Spoken(408, INVALID, "request_timeout"),
    "RequestEntityTooLargeException": _Spoken(413, INVALID, "request_too_large"),
    "ThrottlingException": _Spoken(429, "rate_limit_error", "rate_limit_exceeded"),
    "ServiceQuotaExceededException": _Spoken(429, "rate_limit_error", "rate_limit_exceeded"),
    "ModelErrorException": _Spoken(500, SERVER, "model_error"),
    "ModelStreamErrorException": _Spoken(500, SERVER, "model_error"),
    "NotImplemented": _Spoken(501, SERVER, "not_implemented"),
    "InternalServerException": _Spoken(500, SERVER, "internal_error"),
    "ModelNotReadyException": _Spoken(503, SERVER, "model_not_ready"),
    "ModelTimeoutException": _Spoken(504, SERVER, "model_timeout"),
}
_OTHER = _Spoken(400, INVALID, None)


def refuse(request_id: str, fault: Fault) -> wire.Response:
    """The answer to a fault."""
    headers = [(b"content-type", b"application/json"), (REQUEST_ID, request_id.encode())]
    return whole(_SPOKEN.get(fault.code, _OTHER).status, headers, msgspec.json.encode(error_body(fault)))


def error_body(fault: Fault) -> dict[str, Any]:
    """The body of an error; in a stream, an event of its own."""
    spoken = _SPOKEN.get(fault.code, _OTHER)
    said = {"message": fault.message, "type": spoken.type, "param": _param(fault), "code": spoken.code}
    return {"error": said}


def _param(fault: Fault) -> str | None:
    """The member that is wrong, where the fault knows it."""
    return "model" if fault.code == "ResourceNotFoundException" else fault.members.get("param")
