"""Why a row does not have its kind's shape, said member by member: the slow path, for rows that are not plainly good.

Parses with the standard library, keeping members that come twice. Knows nothing of files.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from outcrop.corpus.findings import Finding, Path, named
from outcrop.corpus.report import Kind
from outcrop.families.record_format import RecordFormat, RecordKind

# What Bedrock's records may hold and Outcrop does not train yet.
_NOT_TRAINED = {
    "image": "images",
    "video": "videos",
    "document": "documents",
    "toolUse": "tool use",
    "toolResult": "tool results",
    "tools": "tool use",
    "toolConfig": "tool use",
}
_KIND_NAMES: dict[RecordKind, str] = {
    "converse": "a converse record (schemaVersion, system, messages with content blocks)",
    "claude": "a Claude record (system, messages with plain strings)",
    "completion": "a prompt/completion record",
    "passage": "an unlabeled record (input)",
}
_WANTED: dict[RecordKind, str] = {
    "converse": '{"schemaVersion": "bedrock-conversation-2024", "system": [{"text": ...}], "messages": '
    '[{"role": "user", "content": [{"text": ...}]}, {"role": "assistant", "content": [{"text": ...}]}]}',
    "claude": '{"system": ..., "messages": [{"role": "user", "content": ...}, {"role": "assistant", "content": ...}]}',
    "completion": '{"prompt": ..., "completion": ...}',
    "passage": '{"input": ...}',
}


@dataclass(frozen=True, slots=True)
class _Text:
    optional: bool = False


@dataclass(frozen=True, slots=True)
class _List:
    of: "_Object"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class _Object:
    members: "Mapping[str, _Text | _List]"
    optional: bool = False


_Shape = _Text | _List | _Object

_BLOCKS = _List(_Object({"text": _Text()}))
_SHAPES: dict[RecordKind, _Object] = {
    "converse": _Object(
        {
            "schemaVersion": _Text(optional=True),
            "system": _List(_Object({"text": _Text()}), optional=True),
            "messages": _List(_Object({"role": _Text(), "content": _BLOCKS})),
        }
    ),
    "claude": _Object(
        {"system": _Text(optional=True), "messages": _List(_Object({"role": _Text(), "content": _Text()}))}
    ),
    "completion": _Object({"prompt": _Text(), "completion": _Text()}),
    "passage": _Object({"input": _Text()}),
}


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: members in order, twice where they came twice."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`extra_members`: the row holds members that training ignores, and nothing worse."""

    findings: tuple[Finding, ...]
    extra_members: bool = False


def explain(text: str, rules: RecordFormat) -> Explanation:
    """What is wrong with a row's shape; no findings where it is as it should be."""
    try:
        value = _parse(text)
    except json.JSONDecodeError as error:
        return Explanation((_syntax(text, error),))
    except RecursionError:
        return Explanation((_parse_finding("the row is nested too deeply", "a record has five levels at most"),))
    except ValueError as error:
        return Explanation((_parse_finding(str(error), "write a value that JSON knows"),))
    other = _other_kind(value, rules.kind)
    if other is not None:
        what = f"this is {_KIND_NAMES[other]}"
        return Explanation((_parse_finding(what, f"{rules.whose} wants {_WANTED[rules.kind]}"),))
    findings = tuple(_walk(value, _SHAPES[rules.kind], ()))
    extra = [finding for finding in findings if finding.what == _EXTRA]
    if rules.other_members_are_refused:
        return Explanation(findings)
    return Explanation(tuple(finding for finding in findings if finding.what != _EXTRA), bool(extra))


_EXTRA = "the record holds a member that is not part of its format"


def _parse(text: str) -> Any:
    # Numbers are never wanted; this way one of a million digits is no error of its own.
    return json.loads(text, object_pairs_hook=_Pairs, parse_constant=_not_json, parse_int=float)


def _not_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _parse_finding(what: str, mend: str, column: int | None = None) -> Finding:
    return Finding((), what, mend, Kind.PARSE, column)


def _syntax(text: str, error: json.JSONDecodeError) -> Finding:
    message = f"not JSON ({error.msg})"
    return _parse_finding(message, _syntax_hint(text, error), error.pos + 1)


def _syntax_hint(text: str, error: json.JSONDecodeError) -> str:
    start = text.lstrip()
    if "\x00" in text:
        return "it holds NUL bytes: save the file as UTF-8"
    if start.rstrip() in ("{", "[", "}", "},", "]") or start.startswith(('"', "}")):
        return "write each record on one line of its own, without line breaks in it"
    if start.startswith("{'"):
        return "JSON quotes with double quotes"
    if error.msg.startswith("Extra data"):
        return "write one record a line, with nothing behind it"
    if error.msg.startswith("Invalid control character"):
        return "write control characters escaped, as \\n or \\t"
    return "write one JSON object a line"


def _other_kind(value: Any, wanted: RecordKind) -> RecordKind | None:
    """The kind that a row plainly is, where it is another one than wanted."""
    if not isinstance(value, _Pairs):
        return None
    members = dict(value)
    if all(name in members for name, shape in _SHAPES[wanted].members.items() if not shape.optional):
        return _other_conversation(members, wanted)
    for kind, shape in _SHAPES.items():
        required = [name for name, each in shape.members.items() if not each.optional]
        if kind != wanted and all(name in members for name in required):
            return _other_conversation(members, wanted) or kind
    return None


def _other_conversation(members: Mapping[str, Any], wanted: RecordKind) -> RecordKind | None:
    """Converse and Claude records have the same members; the first message's content tells them apart."""
    messages = members.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    content = dict(first).get("content") if isinstance(first, _Pairs) else None
    found: RecordKind | None = None
    if isinstance(content, str):
        found = "claude"
    elif isinstance(content, list) and not isinstance(content, _Pairs):
        found = "converse"
    return found if found not in (None, wanted) and _looks_whole(content) else None


def _looks_whole(content: Any) -> bool:
    return isinstance(content, str) or all(isinstance(block, _Pairs) for block in content)


def _walk(value: Any, shape: _Shape, path: Path) -> Iterator[Finding]:
    """Everything in which a value differs from its shape."""
    if value is None and shape.optional:
        return
    match shape:
        case _Text():
            if not isinstance(value, str):
                yield _wrong_type(value, "a text", path)
            elif not _is_unicode(value):
                yield Finding(
                    path, f"{named(path)} holds half of a surrogate pair", "write whole characters", Kind.PARSE
                )
        case _List():
            yield from _walk_list(value, shape, path)
        case _Object():
            yield from _walk_object(value, shape, path)


def _walk_list(value: Any, shape: _List, path: Path) -> Iterator[Finding]:
    if not isinstance(value, list) or isinstance(value, _Pairs):
        yield _wrong_type(value, "a list", path)
        return
    for at, item in enumerate(value):
        yield from _walk(item, shape.of, (*path, at))


def _walk_object(value: Any, shape: _Object, path: Path) -> Iterator[Finding]:
    if not isinstance(value, _Pairs):
        yield _wrong_type(value, "an object", path)
        return
    names = [name for name, _ in value]
    yield from _twice(names, shape, path)
    untrained = [name for name in names if name in _NOT_TRAINED and name not in shape.members]
    if untrained:
        what = f"{named((*path, untrained[0]))}: Outcrop does not train {_NOT_TRAINED[untrained[0]]} yet"
        yield Finding((*path, untrained[0]), what, "keep to text, or take the record out")
        return
    members = dict(value)
    for name, each in shape.members.items():
        if name in members:
            yield from _walk(members[name], each, (*path, name))
        elif not each.optional:
            yield Finding(path, f"{named((*path, name))} is missing", f"add {name}", Kind.PARSE)
    if any(name not in shape.members for name in names):
        yield Finding(path, _EXTRA, "leave only " + ", ".join(shape.members), Kind.PARSE)


def _twice(names: list[str], shape: _Object, path: Path) -> Iterator[Finding]:
    for name in shape.members:
        if names.count(name) > 1:
            what = f"{named((*path, name))} is written {names.count(name)} times"
            yield Finding((*path, name), what, "keep one: which of them is meant cannot be told", Kind.PARSE)


def _wrong_type(value: Any, wanted: str, path: Path) -> Finding:
    kinds = {str: "a text", bool: "true or false", float: "a number", _Pairs: "an object", list: "a list"}
    found = "null" if value is None else kinds.get(type(value), "something else")
    return Finding(path, f"{named(path)} is {found}", f"it must be {wanted}", Kind.PARSE)


_HALF_PAIR = re.compile("[\ud800-\udfff]")


def _is_unicode(text: str) -> bool:
    return _HALF_PAIR.search(text) is None
