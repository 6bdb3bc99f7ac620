"""Request members that ask for what Outcrop does not do: refused, so that nothing is accepted and then ignored.

What is asked for and already true (the AES256 that objects are sealed with, a private ACL) is let through.
"""

from collections.abc import Callable
from typing import Any

from outcrop.domain.errors import Fault


def _one_of(*values: object) -> Callable[[object], bool]:
    return lambda value: value in values


_never: Callable[[object], bool] = _one_of()

_TRUE_ALREADY: dict[str, Callable[[object], bool]] = {
    "ACL": _one_of("private", "bucket-owner-full-control"),
    "AccessControlPolicy": _never,
    "AnnotationDirective": _one_of("COPY"),
    "BucketKeyEnabled": _one_of(False),
    "BucketNamespace": _one_of("global"),
    "BypassGovernanceRetention": _one_of(False),
    "CopySourceSSECustomerAlgorithm": _never,
    "CopySourceSSECustomerKey": _never,
    "CopySourceSSECustomerKeyMD5": _never,
    "GrantFullControl": _never,
    "GrantRead": _never,
    "GrantReadACP": _never,
    "GrantWrite": _never,
    "GrantWriteACP": _never,
    "IfMatchLastModifiedTime": _never,
    "IfMatchSize": _never,
    "MFA": _never,
    "ObjectLockEnabledForBucket": _one_of(False),
    "ObjectLockEventHold": _never,
    "ObjectLockEventHoldDurationDays": _never,
    "ObjectLockEventHoldDurationYears": _never,
    "ObjectLockLegalHoldStatus": _one_of("OFF"),
    "ObjectLockMode": _never,
    "ObjectLockRetainUntilDate": _never,
    "ObjectOwnership": _one_of("BucketOwnerEnforced"),
    "OptionalObjectAttributes": _one_of([], ["RestoreStatus"]),
    "SSECustomerAlgorithm": _never,
    "SSECustomerKey": _never,
    "SSECustomerKeyMD5": _never,
    "SSEKMSEncryptionContext": _never,
    "SSEKMSKeyId": _never,
    "ServerSideEncryption": _one_of("AES256"),
    "StorageClass": _one_of("STANDARD"),
    "WebsiteRedirectLocation": _never,
    "WriteOffsetBytes": _never,
}


def refuse_unserved(request: dict[str, Any]) -> None:
    """Raise NotImplemented for the first member that asks for what is not done."""
    for member, value in request.items():
        accepted = _TRUE_ALREADY.get(member)
        if accepted is not None and not accepted(value):
            raise not_done(f"{member} {value!r}" if isinstance(value, str) and len(value) < 40 else member)


def not_done(what: str) -> Fault:
    """The answer to what is asked for and not done."""
    return Fault("NotImplemented", f"Outcrop does not serve this part of S3: {what}.")
