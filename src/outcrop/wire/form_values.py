"""Forms of the query protocol (iam, sts): `Tags.member.1.Key=team`. Knows nothing of what the members mean."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import Shape

from outcrop.domain.errors import Fault
from outcrop.wire.message import Query
from outcrop.wire.shapes import ShapeCompiler, wire_name
from outcrop.wire.text_values import text_reader

_MOST_FIELDS = 10_000
Tree = dict[str, Any]
Read = Callable[[Any], Any]


def action_of(query: Query, body: bytes) -> str:
    """The `Action` that a form asks for; empty where it names none."""
    return next((value for name, value in read_form(query, body) if name == "Action"), "")


def read_form(query: Query, body: bytes) -> list[tuple[str, str]]:
    """The fields of the query string and of the body."""
    return [*query, *read_query(body)]


def read_query(raw: bytes) -> list[tuple[str, str]]:
    """Decoded pairs of a query string or of a form, empty values kept."""
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Fault(
            "MalformedQueryString", "The query string is malformed: it must be percent-encoded UTF-8."
        ) from error


def form_tree(fields: list[tuple[str, str]]) -> Tree:
    """`a.b.1=x` as `{"a": {"b": {"1": "x"}}}`. A name given twice, or both as a value and a prefix, is refused."""
    tree: Tree = {}
    for name, value in fields:
        *path, last = name.split(".", 30)
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise _given_twice(name)
        if last in node:
            raise _given_twice(name)
        node[last] = value
    return tree


def _given_twice(name: str) -> Fault:
    return Fault("MalformedQueryString", f"The parameter {name[:100]} is given more than once.")


def _compile(shape: Shape, reader: ShapeCompiler[Read]) -> Read:
    match shape.type_name:
        case "structure":
            return _structure(shape, reader)
        case "list":
            return _list(shape, reader)
        case "map":
            return _map(shape, reader)
        case _:
            read = text_reader(shape)
            return lambda value: read(value) if isinstance(value, str) else value


form_reader: ShapeCompiler[Read] = ShapeCompiler(_compile)


def _structure(shape: Shape, reader: ShapeCompiler[Read]) -> Read:
    members = [(wire_name(key, member), key, _some(reader(member))) for key, member in shape.members.items()]

    def read_structure(tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {key: read(tree[name]) for name, key, read in members if name in tree}

    return read_structure


def _list(shape: Shape, reader: ShapeCompiler[Read]) -> Read:
    read = _some(reader(shape.member))
    inner = None if shape.serialization.get("flattened") else shape.member.serialization.get("name", "member")

    def read_list(tree: Any) -> Any:
        if tree == "":
            return []
        items = _numbered(tree if inner is None or not isinstance(tree, dict) else tree.get(inner))
        return tree if items is None else [read(item) for item in items]

    return read_list


def _map(shape: Shape, reader: ShapeCompiler[Read]) -> Read:
    read = _some(reader(shape.value))
    flat = bool(shape.serialization.get("flattened"))
    key_name, value_name = wire_name("key", shape.key), wire_name("value", shape.value)

    def read_map(tree: Any) -> Any:
        entries = _numbered(tree if flat or not isinstance(tree, dict) else tree.get("entry"))
        if entries is None or not all(isinstance(entry, dict) and key_name in entry for entry in entries):
            return tree
        return {entry[key_name]: read(entry.get(value_name, "")) for entry in entries}

    return read_map


def _numbered(tree: Any) -> list[Any] | None:
    """The values under "1", "2", ... in that order; None where the names are no such numbers."""
    if not isinstance(tree, dict) or not all(name.isascii() and name.isdigit() and len(name) < 10 for name in tree):
        return None
    return [tree[name] for name in sorted(tree, key=int)]


def _some(read: Read | None) -> Read:
    assert read is not None, "every shape of a form has a reader"
    return read
