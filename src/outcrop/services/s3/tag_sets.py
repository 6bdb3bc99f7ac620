"""Tags as S3 writes them: a set in XML, a query in a header; the same rules for both."""

from typing import Any
from urllib.parse import parse_qsl

from outcrop.domain.errors import Fault

OBJECT_TAGS, BUCKET_TAGS = 10, 50
_LONGEST_KEY, _LONGEST_VALUE = 128, 256


def from_set(tagging: dict[str, Any], limit: int) -> dict[str, str]:
    """The tags of a `Tagging` structure."""
    return _checked([(tag["Key"], tag["Value"]) for tag in tagging["TagSet"]], limit)


def from_header(text: str | None) -> dict[str, str]:
    """The tags of an `x-amz-tagging` header: `a=1&b=2`."""
    try:
        pairs = parse_qsl(text or "", keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        sentence = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters."
        raise Fault("InvalidArgument", sentence, ArgumentName="x-amz-tagging") from None
    return _checked(pairs, OBJECT_TAGS)


def to_set(tags: dict[str, str]) -> dict[str, Any]:
    """A result's `TagSet`."""
    return {"TagSet": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}


def _checked(pairs: list[tuple[str, str]], limit: int) -> dict[str, str]:
    if len(pairs) > limit:
        raise Fault("BadRequest", f"Object tags cannot be greater than {limit}")
    for key, value in pairs:
        if not 1 <= len(key) <= _LONGEST_KEY:
            raise Fault("InvalidTag", "The TagKey you have provided is invalid")
        if len(value) > _LONGEST_VALUE:
            raise Fault("InvalidTag", "The TagValue you have provided is invalid")
        if key.startswith("aws:"):
            raise Fault("InvalidTag", "System tags cannot be added/updated by requester")
    tags = dict(pairs)
    if len(tags) != len(pairs):
        raise Fault("InvalidTag", "Cannot provide multiple Tags with the same key")
    return tags
