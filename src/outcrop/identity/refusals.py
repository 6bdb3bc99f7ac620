"""How each service says no: one table of codes by service. Knows nothing of how a signature is computed."""

from enum import Enum, auto

from outcrop.domain.errors import Fault


class Reason(Enum):
    """Why a request is refused."""

    UNSIGNED = auto()
    MALFORMED = auto()
    UNKNOWN_KEY = auto()
    WRONG_TOKEN = auto()
    EXPIRED = auto()
    MISMATCH = auto()
    WRONG_SCOPE = auto()
    SKEWED = auto()
    OVERDUE = auto()
    BEARER = auto()


_S3 = {
    Reason.UNSIGNED: ("AccessDenied", "Access Denied"),
    Reason.MALFORMED: ("AuthorizationHeaderMalformed", "The authorization header that you provided is not valid."),
    Reason.UNKNOWN_KEY: ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    Reason.WRONG_TOKEN: ("InvalidToken", "The provided token is malformed or otherwise not valid."),
    Reason.EXPIRED: ("ExpiredToken", "The provided token has expired."),
    Reason.MISMATCH: (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your key and signing "
        "method.",
    ),
    Reason.WRONG_SCOPE: ("SignatureDoesNotMatch", "The credential scope does not fit this request."),
    Reason.SKEWED: (
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
    ),
    Reason.OVERDUE: ("AccessDenied", "Request has expired"),
    Reason.BEARER: ("AccessDenied", "Access Denied"),
}
_UNKNOWN = "The security token included in the request is invalid."
_EXPIRED = "The security token included in the request is expired."
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_JSON = {
    Reason.UNSIGNED: ("MissingAuthenticationTokenException", "Missing Authentication Token"),
    Reason.MALFORMED: ("IncompleteSignatureException", "The authorization of this request is malformed."),
    Reason.UNKNOWN_KEY: ("UnrecognizedClientException", _UNKNOWN),
    Reason.WRONG_TOKEN: ("UnrecognizedClientException", _UNKNOWN),
    Reason.EXPIRED: ("ExpiredTokenException", _EXPIRED),
    Reason.MISMATCH: ("InvalidSignatureException", _MISMATCH),
    Reason.WRONG_SCOPE: ("InvalidSignatureException", "Credential should be scoped correctly."),
    Reason.SKEWED: ("InvalidSignatureException", "Signature expired or not yet current."),
    Reason.OVERDUE: ("InvalidSignatureException", "Signature expired."),
    Reason.BEARER: (
        "AccessDeniedException",
        "Authentication failed: Please make sure your API Key is valid.",
    ),
}
_QUERY = {
    Reason.UNSIGNED: ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    Reason.MALFORMED: ("IncompleteSignature", "The authorization of this request is malformed."),
    Reason.UNKNOWN_KEY: ("InvalidClientTokenId", _UNKNOWN),
    Reason.WRONG_TOKEN: ("InvalidClientTokenId", _UNKNOWN),
    Reason.EXPIRED: ("ExpiredToken", _EXPIRED),
    Reason.MISMATCH: ("SignatureDoesNotMatch", _MISMATCH),
    Reason.WRONG_SCOPE: ("SignatureDoesNotMatch", "Credential should be scoped correctly."),
    Reason.SKEWED: ("SignatureDoesNotMatch", "Signature expired or not yet current."),
    Reason.OVERDUE: ("SignatureDoesNotMatch", "Signature expired."),
    Reason.BEARER: ("InvalidClientTokenId", _UNKNOWN),
}
_TABLES = {"s3": _S3, "iam": _QUERY, "sts": _QUERY}


def refusal(service: str, reason: Reason, message: str | None = None) -> Fault:
    """The fault by which `service` refuses, with its own sentence unless a better one is given."""
    code, sentence = _TABLES.get(service, _JSON)[reason]
    return Fault(code, message or sentence)
