"""What the models demand of arguments: required, type, length, range, pattern, enum. Compiled per operation.

Every problem is found and named in one message. Refuses what botocore's own ParamValidator refuses, and what it lets
pass: max, pattern, enum.
Knows nothing of what the arguments mean.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import regex
from botocore.model import OperationModel, Shape

from outcrop.wire.constraint_faults import Problem, fault_of
from outcrop.wire.message import Params
from outcrop.wire.shapes import ShapeCompiler, is_document, location

Path = tuple[Any, ...]
"""Names from the arguments down to a member, nested: `(((), "tags"), "1")`."""

Check = Callable[[Any, Path, list[Problem]], None]

_PATTERN_TIMEOUT_S = 0.1
"""The models' own patterns can backtrack for years. What takes longer is taken as not matching."""

_MATCHES_KEPT, _LONGEST_KEPT = 4096, 256
"""Names and ARNs come again and again: whether one fits is found out once. At most a few megabytes are kept."""

_DEEPEST_DOCUMENT = 64
_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Type:
    """A type that a value must have, and how it is said."""

    classes: tuple[type, ...]
    said: str


_TYPES = {
    "structure": _Type(classes=(dict,), said="a structure"),
    "list": _Type(classes=(list,), said="a list"),
    "map": _Type(classes=(dict,), said="a map"),
    "string": _Type(classes=(str,), said="a string"),
    "boolean": _Type(classes=(bool,), said="a boolean"),
    "integer": _Type(classes=(int,), said="an integer"),
    "long": _Type(classes=(int,), said="an integer"),
    "float": _Type(classes=(float, int), said="a number"),
    "double": _Type(classes=(float, int), said="a number"),
    "timestamp": _Type(classes=(datetime,), said="a timestamp"),
    "blob": _Type(classes=(bytes,), said="base64"),
}
_BITS = {"integer": 31, "long": 63, "float": 1000, "double": 1000}


def compile_constraints(operation: OperationModel, service: str) -> Callable[[Params], None]:
    """The checks of an operation's arguments."""
    shape = operation.input_shape
    if shape is None:
        return lambda params: None
    check = _structure(shape, _checker)
    places = {key: location(member) or "body" for key, member in shape.members.items()}

    def constrain(params: Params) -> None:
        problems: list[Problem] = []
        check(params, (), problems)
        if problems:
            raise fault_of(service, problems[:_MOST_PROBLEMS], places)

    return constrain


def _compile(shape: Shape, checker: ShapeCompiler[Check]) -> Check:
    if is_document(shape):
        return _check_document
    if shape.serialization.get("streaming"):
        return _check_nothing
    match shape.type_name:
        case "structure":
            return _structure(shape, checker)
        case "list":
            return _list(shape, checker)
        case "map":
            return _map(shape, checker)
        case "string":
            return _string(shape)
        case _:
            return _scalar(shape)


_checker: ShapeCompiler[Check] = ShapeCompiler(_compile)


def _check_nothing(value: Any, path: Path, problems: list[Problem]) -> None:
    """A stream is checked by whoever reads it."""


def _check_document(value: Any, path: Path, problems: list[Problem]) -> None:
    level: list[Any] = [value]
    for _ in range(_DEEPEST_DOCUMENT):
        level = [part for holder in level for part in _parts(holder)]
        if not level:
            return
    problems.append(Problem.at(path, "type", f"Member must be nested at most {_DEEPEST_DOCUMENT} levels deep"))


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _structure(shape: Shape, checker: ShapeCompiler[Check]) -> Check:
    members = [(key, _some(checker(member)), key in shape.required_members) for key, member in shape.members.items()]
    is_union = bool(getattr(shape, "is_tagged_union", False))

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if type(value) is not dict:
            problems.append(_wrong_type(shape, path))
            return
        for key, check_member, required in members:
            part = value.get(key)
            if part is not None:
                check_member(part, (path, key), problems)
            elif required:
                problems.append(Problem.at((path, key), "required", "Member must not be null", "null"))
        if is_union and len(value) != 1:
            problems.append(Problem.at(path, "union", f"Exactly one of these must be set: {', '.join(shape.members)}"))

    return check


def _list(shape: Shape, checker: ShapeCompiler[Check]) -> Check:
    check_member, check_length = _some(checker(shape.member)), _length(shape)

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if type(value) is not list:
            problems.append(_wrong_type(shape, path))
            return
        if check_length(value, path, problems):
            return
        for place, part in enumerate(value, 1):
            check_member(part, ((path, place), "member"), problems)
            if len(problems) > _MOST_PROBLEMS:
                return

    return check


def _map(shape: Shape, checker: ShapeCompiler[Check]) -> Check:
    check_key, check_value, check_length = _some(checker(shape.key)), _some(checker(shape.value)), _length(shape)

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if type(value) is not dict:
            problems.append(_wrong_type(shape, path))
            return
        if check_length(value, path, problems):
            return
        for key, part in value.items():
            check_key(key, (path, "key"), problems)
            check_value(part, (path, key), problems)
            if len(problems) > _MOST_PROBLEMS:
                return

    return check


def _string(shape: Shape) -> Check:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
    pattern = shape.metadata.get("pattern")
    allowed = frozenset(shape.enum)
    sensitive = bool(shape.metadata.get("sensitive"))

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if type(value) is not str:
            problems.append(_wrong_type(shape, path))
        elif allowed and value not in allowed:
            said = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
            problems.append(Problem.at(path, "enum", said, None if sensitive else value))
        elif len(value) < low or (high is not None and len(value) > high):
            problems.append(Problem.at(path, *_length_problem(len(value), low, high)))
        elif pattern is not None and not _fits(pattern, value, sensitive=sensitive):
            said = f"Member must satisfy regular expression pattern: {pattern}"
            problems.append(Problem.at(path, "pattern", said, None if sensitive else value))

    return check


def _fits(pattern: str, value: str, *, sensitive: bool) -> bool:
    matches = _matches if sensitive or len(value) > _LONGEST_KEPT else _known_to_match
    try:
        return matches(pattern, value)
    except TimeoutError:
        return False


def _matches(pattern: str, value: str) -> bool:
    return _compiled(pattern).fullmatch(value, timeout=_PATTERN_TIMEOUT_S) is not None


_known_to_match = lru_cache(maxsize=_MATCHES_KEPT)(_matches)


@cache
def _compiled(pattern: str) -> "regex.Pattern[str]":
    """Compiled when a value first needs it: most of the models' patterns never meet one."""
    return regex.compile(pattern, cache_pattern=False)


def _length(shape: Shape) -> Callable[[Any, Path, list[Problem]], bool]:
    """A check of length that says whether it found a problem: then what is inside is not looked at."""
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")

    def is_broken(value: Any, path: Path, problems: list[Problem]) -> bool:
        if len(value) >= low and (high is None or len(value) <= high):
            return False
        problems.append(Problem.at(path, *_length_problem(len(value), low, high)))
        return True

    return is_broken


def _length_problem(length: int, low: int, high: int | None) -> tuple[str, str]:
    if length < low:
        return "min", f"Member must have length greater than or equal to {low}"
    return "max", f"Member must have length less than or equal to {high}"


def _scalar(shape: Shape) -> Check:
    if shape.type_name == "blob":
        return _blob(shape)
    classes = _TYPES[shape.type_name].classes
    low, high, bits = shape.metadata.get("min"), shape.metadata.get("max"), _BITS.get(shape.type_name)

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if type(value) not in classes or (bits is not None and not -(2**bits) <= value < 2**bits):
            problems.append(_wrong_type(shape, path))
        elif low is not None and value < low:
            said = f"Member must have value greater than or equal to {low}"
            problems.append(Problem.at(path, "min", said, str(value)))
        elif high is not None and value > high:
            said = f"Member must have value less than or equal to {high}"
            problems.append(Problem.at(path, "max", said, str(value)))

    return check


def _blob(shape: Shape) -> Check:
    check_length = _length(shape)

    def check(value: Any, path: Path, problems: list[Problem]) -> None:
        if type(value) is not bytes:
            problems.append(_wrong_type(shape, path))
        else:
            check_length(value, path, problems)

    return check


def _wrong_type(shape: Shape, path: Path) -> Problem:
    return Problem.at(path, "type", f"Member must be {_TYPES[shape.type_name].said}")


def _some(check: Check | None) -> Check:
    assert check is not None, "every shape has a check"
    return check
