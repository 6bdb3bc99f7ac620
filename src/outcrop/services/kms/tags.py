"""Tags of keys."""

from collections.abc import Mapping
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.kms.ring import lasting, owned, page, ring

TAGS_AT_MOST = 50


def tag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Write tags over those of a key."""
    key = lasting(call, request["KeyId"])
    ring(call).change(key, tags=merged(key.tags, request["Tags"]))
    return {}


def untag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take tags away; a key that is not there is no mistake."""
    key = lasting(call, request["KeyId"])
    kept = {name: value for name, value in key.tags.items() if name not in request["TagKeys"]}
    ring(call).change(key, tags=kept)
    return {}


def list_resource_tags(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The tags of a key, by name."""
    limit = request.get("Limit", TAGS_AT_MOST)
    held = sorted(owned(call, request["KeyId"]).tags.items())
    left = [(name, value) for name, value in held if name > request.get("Marker", "")]
    shown = left[:limit]
    listed = [{"TagKey": name, "TagValue": value} for name, value in shown]
    return {"Tags": listed, **page(left, limit, shown[-1][0] if shown else "")}


def merged(held: Mapping[str, str], given: list[dict[str, str]]) -> dict[str, str]:
    """Tags with the given ones written over them."""
    names = [tag["TagKey"] for tag in given]
    if len(set(names)) < len(names) or any(name.lower().startswith("aws:") for name in names):
        raise Fault("TagException", "Tag keys must differ from one another and may not begin with aws:.")
    both = {**held, **{tag["TagKey"]: tag["TagValue"] for tag in given}}
    if len(both) > TAGS_AT_MOST:
        raise Fault("LimitExceededException", f"A key has at most {TAGS_AT_MOST} tags.")
    return both


OPERATIONS: dict[str, Operation] = {
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "ListResourceTags": list_resource_tags,
}
