"""JSON pointers (RFC 6901) into a family's own answer, for additionalModelResponseFieldPaths."""

from typing import Any

from outcrop.domain.errors import ValidationException

_MISSING = object()


def check_pointers(paths: list[str]) -> None:
    """Raises ValidationException for what is no pointer."""
    for path in paths:
        if not path.startswith("/") or "~" in path.replace("~0", "").replace("~1", ""):
            raise ValidationException(f"additionalModelResponseFieldPaths: {path[:64]} is not a JSON pointer.")


def pointed(body: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """What the pointers lead to, each under the place it has in the body; what is not there is left out."""
    found: dict[str, Any] = {}
    for path in paths:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
        value = _follow(body, steps)
        if value is not _MISSING:
            _place(found, steps, value)
    return found


def _follow(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def _place(found: dict[str, Any], steps: list[str], value: Any) -> None:
    *before, last = steps
    place: Any = found
    for step in before:
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            return  # a shorter pointer has brought the whole of it already
    place[last] = value
