"""What a new user, role or policy is given: id, ARN, path, checked documents and tags. Knows no table."""

from collections.abc import Mapping
from typing import Any

from outcrop import policy
from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault
from outcrop.services.call import Call

USER_PREFIX, ROLE_PREFIX, POLICY_PREFIX = "AIDA", "AROA", "ANPA"
TAGS_AT_MOST = 50
TRUST_CHARACTERS = 2048
MANAGED_CHARACTERS = 6144

_ID_TAIL = 17


def unique_id(call: Call, prefix: str) -> str:
    """An id of 21 capitals and digits, as IAM makes them."""
    return prefix + (call.ground.new_id() + call.ground.new_id()).upper()[:_ID_TAIL]


def arn(call: Call, kind: str, path: str, name: str) -> str:
    """The ARN of a user, role or policy."""
    return arns.iam(call.principal.account, f"{kind}{path}{name}")


def path(request: Mapping[str, Any]) -> str:
    """The path asked for, `/` unless asked."""
    asked: str = request.get("Path", "/")
    if not (asked.startswith("/") and asked.endswith("/")):
        raise Fault("ValidationError", "The specified value for path is invalid. It must begin and end with /.")
    return asked


def new_tags(request: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a request."""
    return merged({}, request.get("Tags", []))


def merged(held: Mapping[str, str], given: list[dict[str, str]]) -> dict[str, str]:
    """Tags with the given ones written over them, whatever the case of their keys."""
    keys = [tag["Key"].lower() for tag in given]
    if len(set(keys)) < len(keys):
        raise Fault("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    reserved = next((key for key in keys if key.startswith("aws:")), None)
    if reserved is not None:
        raise Fault("InvalidInput", f"The tag key {reserved!r} begins with aws:, which is reserved.")
    kept = {key: value for key, value in held.items() if key.lower() not in keys}
    both = {**kept, **{tag["Key"]: tag["Value"] for tag in given}}
    if len(both) > TAGS_AT_MOST:
        raise Fault("LimitExceeded", f"Cannot exceed quota for Tags: {TAGS_AT_MOST}")
    return both


def checked(document: str, purpose: policy.Purpose, characters: int, quota: str) -> str:
    """A policy document that is in order and within its quota (white space is not counted)."""
    policy.parse(document, purpose)
    if size(document) > characters:
        raise Fault("LimitExceeded", f"Cannot exceed quota for {quota}: {characters}")
    return document


def size(document: str) -> int:
    """The characters of a document that count: all but white space."""
    return sum(not character.isspace() for character in document)
