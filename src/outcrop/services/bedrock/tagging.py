"""Tags: the rules, and the three operations. Knows nothing of what tags are used for."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import ResourceNotFoundException, TooManyTagsException, ValidationException
from outcrop.services.call import Call, Operation
from outcrop.store import deployments, invocation_jobs, jobs, models, tags, throughput

TAGS_LIMIT = 50
_FINDERS = {
    "model-customization-job": jobs.find,
    "model-invocation-job": invocation_jobs.find,
    "custom-model": models.find,
    "provisioned-model": throughput.find,
    "custom-model-deployment": deployments.find,
}


def tag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Add tags, or give them new values."""
    arn = request["resourceARN"]
    new = checked(request["tags"], resource_name=arn)
    with call.ground.database.write() as connection:
        _refuse_unknown(connection, call, arn)
        _refuse_too_many({**tags.of(connection, arn), **new}, arn)
        tags.put(connection, arn, new)
    return {}


def untag_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Take tags away; a key that is not there is no error."""
    with call.ground.database.write() as connection:
        _refuse_unknown(connection, call, request["resourceARN"])
        tags.remove(connection, request["resourceARN"], request["tagKeys"])
    return {}


def list_tags_for_resource(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The tags, sorted by key."""
    with call.ground.database.read() as connection:
        _refuse_unknown(connection, call, request["resourceARN"])
        found = tags.of(connection, request["resourceARN"])
    return {"tags": [{"key": key, "value": value} for key, value in found.items()]}


def checked(sent: Sequence[dict[str, str]], *, resource_name: str) -> dict[str, str]:
    """A request's tags by key. Refuses a key that comes twice, AWS's own prefix, and more than a resource may carry."""
    found = {tag["key"]: tag["value"] for tag in sent}
    if len(found) < len(sent):
        keys = [tag["key"] for tag in sent]
        raise ValidationException(f"The tag key {max(keys, key=keys.count)} is given more than once.")
    for key in found:
        if key.lower().startswith("aws:"):
            raise ValidationException(f"The tag key {key} begins with aws:, which is reserved.")
    _refuse_too_many(found, resource_name)
    return found


def _refuse_too_many(found: dict[str, str], resource_name: str) -> None:
    if len(found) > TAGS_LIMIT:
        message = f"A resource may carry {TAGS_LIMIT} tags; this would make {len(found)}."
        raise TooManyTagsException(message, resourceName=resource_name)


def _refuse_unknown(connection: sa.Connection, call: Call, arn: str) -> None:
    kind = arn.split(":", 5)[-1].split("/", 1)[0]
    finder = _FINDERS.get(kind) if arn.startswith("arn:") else None
    if finder is None or finder(connection, call.region, call.principal.account, arn) is None:
        raise ResourceNotFoundException(f"There is no resource {arn} in this account and Region.")


OPERATIONS: dict[str, Operation] = {
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "ListTagsForResource": list_tags_for_resource,
}
