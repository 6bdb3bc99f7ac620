"""Values as JSON, in and out, compiled from shapes. Knows nothing of HTTP.

The reader never refuses a value of the wrong type: it passes it on, and `constraints` names the member.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.model import Shape

from outcrop.domain.errors import Fault
from outcrop.wire.shapes import ShapeCompiler, is_document, location, wire_name
from outcrop.wire.text_values import epoch_seconds, read_blob, read_timestamp

Convert = Callable[[Any], Any]

encode_json = msgspec.json.Encoder().encode


def decode_json(raw: bytes) -> Any:
    """The document of a body; an empty body is an empty object."""
    try:
        return msgspec.json.decode(raw) if raw.strip() else {}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Fault("SerializationException", "The request's body is not valid JSON.") from error


# ---------------------------------------------------------------- in


def _compile_reader(shape: Shape, reader: ShapeCompiler[Convert]) -> Convert | None:
    if is_document(shape):
        return None
    match shape.type_name:
        case "structure":
            return _structure_reader([(wire_name(k, m), k, reader(m)) for k, m in shape.members.items()])
        case "list":
            return _list_reader(reader(shape.member))
        case "map":
            return _map_reader(reader(shape.value))
        case "timestamp":
            return read_timestamp
        case "blob":
            return read_blob
        case _:
            return None


json_reader: ShapeCompiler[Convert] = ShapeCompiler(_compile_reader)


def body_reader(shape: Shape) -> Convert:
    """Reads the members of a structure that travel in the body."""
    members = [(wire_name(k, m), k, json_reader(m)) for k, m in shape.members.items() if location(m) is None]
    return _structure_reader(members)


def _structure_reader(members: list[tuple[str, str, Convert | None]]) -> Convert:
    def read_structure(value: Any) -> Any:
        if type(value) is not dict:
            return value
        found: dict[str, Any] = {}
        for name, key, read in members:
            part = value.get(name)
            if part is not None:
                found[key] = part if read is None else read(part)
        return found

    return read_structure


def _list_reader(read: Convert | None) -> Convert | None:
    if read is None:
        return None
    return lambda value: [read(part) for part in value] if type(value) is list else value


def _map_reader(read: Convert | None) -> Convert | None:
    if read is None:
        return None
    return lambda value: {key: read(part) for key, part in value.items()} if type(value) is dict else value


# ---------------------------------------------------------------- out


def _compile_writer(timestamp_format: str) -> Callable[[Shape, ShapeCompiler[Convert]], Convert | None]:
    def compile_shape(shape: Shape, writer: ShapeCompiler[Convert]) -> Convert | None:
        if is_document(shape):
            return None
        match shape.type_name:
            case "structure":
                return structure_writer(shape, writer)
            case "list":
                return _list_writer(writer(shape.member))
            case "map":
                return _map_writer(writer(shape.value))
            case "timestamp":
                stated = shape.serialization.get("timestampFormat", timestamp_format)
                return aware if stated == "iso8601" else epoch_seconds
            case _:
                return None  # msgspec itself writes bytes as base64

    return compile_shape


rest_writer: ShapeCompiler[Convert] = ShapeCompiler(_compile_writer("unixTimestamp"))


def structure_writer(shape: Shape, writer: ShapeCompiler[Convert]) -> Convert:
    """Writes the members of a structure that travel in the body."""
    members = {k: (wire_name(k, m), writer(m)) for k, m in shape.members.items() if location(m) is None}
    known = frozenset(shape.members)

    def write_structure(value: Any) -> Any:
        assert value.keys() <= known, f"{shape.name} has no {value.keys() - known}"
        written: dict[str, Any] = {}
        for key, part in value.items():
            if part is not None and key in members:
                name, write = members[key]
                written[name] = part if write is None else write(part)
        return written

    return write_structure


def _list_writer(write: Convert | None) -> Convert | None:
    return None if write is None else lambda value: [write(part) for part in value]


def _map_writer(write: Convert | None) -> Convert | None:
    return None if write is None else lambda value: {key: write(part) for key, part in value.items()}


def aware(moment: datetime) -> datetime:
    """The moment in UTC; msgspec writes it as ISO 8601."""
    assert moment.tzinfo is not None, "datetimes are aware"
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
