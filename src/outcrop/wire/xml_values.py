"""Values as XML, in and out, compiled from shapes. Knows nothing of HTTP.

The reader never refuses a value of the wrong type: it passes it on, and `constraints` names the member.
"""

import re
from collections.abc import Callable
from typing import Any

from botocore.model import Shape

from outcrop.wire.shapes import ShapeCompiler, location, wire_name
from outcrop.wire.text_values import text_reader, text_writer
from outcrop.wire.xml_tree import Element

Read = Callable[[Element], Any]
Write = Callable[[Any, str], str]
"""A value and the element's name in; the element's text out."""

# ---------------------------------------------------------------- in


def _compile_reader(shape: Shape, reader: ShapeCompiler[Read]) -> Read:
    match shape.type_name:
        case "structure":
            return structure_reader(shape)
        case "list":
            return _list_reader(shape)
        case "map":
            return _map_reader(shape)
        case _:
            read = text_reader(shape)
            return lambda element: element.text if element.children else read(element.text)


xml_reader: ShapeCompiler[Read] = ShapeCompiler(_compile_reader)


def structure_reader(shape: Shape) -> Read:
    """Reads the members of a structure that travel in the body."""
    plain: dict[str, tuple[str, Read]] = {}
    flat: dict[str, tuple[str, Read]] = {}
    attributes: dict[str, str] = {}
    for key, member in shape.members.items():
        name = wire_name(key, member)
        if location(member) is not None:
            continue
        if member.serialization.get("xmlAttribute"):
            attributes[_local(name)] = key
        elif member.type_name == "list" and member.serialization.get("flattened"):
            flat[name] = (key, _read(member.member))
        else:
            plain[name] = (key, _read(member))

    def read_structure(element: Element) -> Any:
        found: dict[str, Any] = {attributes[k]: v for k, v in element.attributes.items() if k in attributes}
        for child in element.children:
            if child.name in flat:
                key, read = flat[child.name]
                found.setdefault(key, []).append(read(child))
            elif child.name in plain:
                key, read = plain[child.name]
                found[key] = read(child)
        return found

    return read_structure


def _list_reader(shape: Shape) -> Read:
    read, name = _read(shape.member), wire_name("member", shape.member)
    return lambda element: [read(child) for child in element.children if child.name == name]


def _map_reader(shape: Shape) -> Read:
    read_key, read_value = _read(shape.key), _read(shape.value)
    key_name, value_name = wire_name("key", shape.key), wire_name("value", shape.value)

    def read_map(element: Element) -> Any:
        found = {}
        for entry in element.children:
            parts = {child.name: child for child in entry.children}
            if key_name in parts and value_name in parts:
                found[read_key(parts[key_name])] = read_value(parts[value_name])
        return found

    return read_map


def _read(shape: Shape) -> Read:
    read = xml_reader(shape)
    assert read is not None, "every shape of XML has a reader"
    return read


# ---------------------------------------------------------------- out


def _compile_writer(shape: Shape, writer: ShapeCompiler[Write]) -> Write:
    match shape.type_name:
        case "structure":
            return _structure_writer(shape)
        case "list":
            return _list_writer(shape)
        case "map":
            return _map_writer(shape)
        case "string":
            return lambda value, name: f"<{name}>{escape(value)}</{name}>"
        case _:
            write = text_writer(shape, "iso8601")  # nothing in a number, a moment or base64 needs escaping
            return lambda value, name: f"<{name}>{write(value)}</{name}>"


xml_writer: ShapeCompiler[Write] = ShapeCompiler(_compile_writer)


def members_writer(shape: Shape) -> Callable[[Any], str]:
    """Writes the members of a structure that travel in the body, without an element around them."""
    members = [
        (key, wire_name(key, member), _write(member))
        for key, member in shape.members.items()
        if location(member) is None and not member.serialization.get("xmlAttribute")
    ]

    known = frozenset(shape.members)

    def write_members(value: Any) -> str:
        assert value.keys() <= known, f"{shape.name} has no {value.keys() - known}"
        parts = [write(part, name) for key, name, write in members if (part := value.get(key)) is not None]
        return "".join(parts)

    return write_members


def _structure_writer(shape: Shape) -> Write:
    write_members = members_writer(shape)
    attributes = [(k, wire_name(k, m)) for k, m in shape.members.items() if m.serialization.get("xmlAttribute")]
    namespace = shape.serialization.get("xmlNamespace", {})
    prefix = f' xmlns:{namespace["prefix"]}="{namespace["uri"]}"' if attributes and "prefix" in namespace else ""

    def write_structure(value: Any, name: str) -> str:
        said = "".join(
            f' {wire}="{_quoted(str(value[key]))}"' for key, wire in attributes if value.get(key) is not None
        )
        return f"<{name}{prefix}{said}>{write_members(value)}</{name}>"

    return write_structure


def _list_writer(shape: Shape) -> Write:
    write = _write(shape.member)
    if shape.serialization.get("flattened"):
        return lambda value, name: "".join(write(part, name) for part in value)
    inner = wire_name("member", shape.member)
    return lambda value, name: f"<{name}>{''.join(write(part, inner) for part in value)}</{name}>"


def _map_writer(shape: Shape) -> Write:
    write_key, write_value = _write(shape.key), _write(shape.value)
    key_name, value_name = wire_name("key", shape.key), wire_name("value", shape.value)

    def write_map(value: Any, name: str) -> str:
        entries = (write_key(key, key_name) + write_value(part, value_name) for key, part in value.items())
        return f"<{name}>{''.join(f'<entry>{entry}</entry>' for entry in entries)}</{name}>"

    return write_map


def _write(shape: Shape) -> Write:
    write = xml_writer(shape)
    assert write is not None, "every shape of XML has a writer"
    return write


_SPECIAL = re.compile("[&<>\x00-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_UNSPEAKABLE = "\ufffd"
"""What XML 1.0 cannot carry at all, however escaped, becomes the replacement character."""


def escape(text: str) -> str:
    """Text as it may stand in an element."""
    if _SPECIAL.search(text) is None:
        return text
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0], _UNSPEAKABLE), text)


def _quoted(text: str) -> str:
    """Text as it may stand in an attribute."""
    return escape(text).replace('"', "&quot;")


def _local(name: str) -> str:
    return name.rpartition(":")[2]
