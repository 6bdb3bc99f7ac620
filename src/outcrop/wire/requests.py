"""From a request to an operation's arguments, compiled per operation. Checks nothing: see `constraints`."""

from collections.abc import Callable
from typing import Any

from botocore.model import OperationModel, Shape

from outcrop.domain.errors import Fault
from outcrop.wire.form_values import form_reader, form_tree, read_form
from outcrop.wire.json_values import body_reader, decode_json, json_reader
from outcrop.wire.message import Params, Request
from outcrop.wire.shapes import location, wire_name
from outcrop.wire.text_values import text_reader
from outcrop.wire.xml_tree import read_xml
from outcrop.wire.xml_values import structure_reader

Parser = Callable[[Request], Params]
Part = Callable[[Request, Params], None]
"""Reads one part of a request into the arguments."""


def compile_parser(operation: OperationModel, protocol: str) -> Parser:
    """The parser of an operation in its service's protocol."""
    shape = operation.input_shape
    if shape is None:
        return lambda request: {}
    match protocol:
        case "query":
            return _form_parser(shape)
        case "json":
            read = body_reader(shape)
            return lambda request: _object(read(decode_json(request.whole_body())))
        case _:
            return _rest_parser(shape, protocol)


def _form_parser(shape: Shape) -> Parser:
    read = form_reader(shape)
    assert read is not None, "every shape of a form has a reader"
    return lambda request: _object(read(form_tree(read_form(request.query, request.whole_body()))))


def _object(value: Any) -> Params:
    if not isinstance(value, dict):
        raise Fault("SerializationException", "The request's body must be an object.")
    return value


def _rest_parser(shape: Shape, protocol: str) -> Parser:
    parts = [part for part in (_uri(shape), _query(shape), _headers(shape), _body(shape, protocol)) if part]

    def parse(request: Request) -> Params:
        params: Params = {}
        for part in parts:
            part(request, params)
        return params

    return parse


def _placed(shape: Shape, place: str) -> list[tuple[str, str, Shape]]:
    members = shape.members.items()
    return [(wire_name(key, member), key, member) for key, member in members if location(member) == place]


def _uri(shape: Shape) -> Part | None:
    members = [(name, key, text_reader(member)) for name, key, member in _placed(shape, "uri")]

    def read_uri(request: Request, params: Params) -> None:
        for name, key, read in members:
            params[key] = read(request.uri[name])

    return read_uri if members else None


def _query(shape: Shape) -> Part | None:
    placed = _placed(shape, "querystring")
    singles = {name: (key, text_reader(member)) for name, key, member in placed if member.type_name != "list"}
    lists = {name: (key, text_reader(member.member)) for name, key, member in placed if member.type_name == "list"}

    def read_query(request: Request, params: Params) -> None:
        for name, value in request.query:
            if name in singles:
                key, read = singles[name]
                params.setdefault(key, read(value))
            elif name in lists:
                key, read = lists[name]
                params.setdefault(key, []).append(read(value))

    return read_query if placed else None


def _headers(shape: Shape) -> Part | None:
    plain = [(name.lower(), key, _header_reader(member)) for name, key, member in _placed(shape, "header")]
    prefixed = [(name.lower(), key) for name, key, _ in _placed(shape, "headers")]

    def read_headers(request: Request, params: Params) -> None:
        for name, key, read in plain:
            if name in request.headers:
                params[key] = read(request.headers[name])
        for prefix, key in prefixed:
            found = {k[len(prefix) :]: v for k, v in request.headers.items() if k.startswith(prefix)}
            if found:
                params[key] = found

    return read_headers if plain or prefixed else None


def _header_reader(member: Shape) -> Callable[[str], Any]:
    if member.type_name != "list":
        return text_reader(member)
    read = text_reader(member.member)
    return lambda text: [read(part.strip()) for part in text.split(",") if part.strip()]


def _body(shape: Shape, protocol: str) -> Part | None:
    payload = shape.serialization.get("payload")
    if payload:
        return _payload(str(payload), shape.members[payload], protocol)
    if all(location(member) for member in shape.members.values()):
        return None
    read = body_reader(shape) if protocol == "rest-json" else structure_reader(shape)

    def read_body(request: Request, params: Params) -> None:
        body = request.whole_body()
        if protocol == "rest-json":
            params.update(_object(read(decode_json(body))))
        elif body:
            params.update(read(read_xml(body)))

    return read_body


def _payload(key: str, member: Shape, protocol: str) -> Part:
    if member.type_name == "blob":
        return _blob_payload(key, bool(member.serialization.get("streaming")))
    if member.type_name == "string":
        return _text_payload(key)
    return _json_payload(key, member) if protocol == "rest-json" else _xml_payload(key, member)


def _json_payload(key: str, member: Shape) -> Part:
    read = json_reader(member)
    assert read is not None, "a payload is a structure"

    def read_payload(request: Request, params: Params) -> None:
        if body := request.whole_body():
            params[key] = read(decode_json(body))

    return read_payload


def _xml_payload(key: str, member: Shape) -> Part:
    read, root = structure_reader(member), wire_name(member.name, member)

    def read_payload(request: Request, params: Params) -> None:
        if body := request.whole_body():
            element = read_xml(body)
            if element.name != root:
                raise Fault("MalformedXML", f"The root element must be {root}.")
            params[key] = read(element)

    return read_payload


def _blob_payload(key: str, streaming: bool) -> Part:
    def read_blob_payload(request: Request, params: Params) -> None:
        if streaming or request.body:
            params[key] = request.body if streaming else request.whole_body()

    return read_blob_payload


def _text_payload(key: str) -> Part:
    def read_text_payload(request: Request, params: Params) -> None:
        try:
            params[key] = request.whole_body().decode()
        except UnicodeDecodeError as error:
            raise Fault("InvalidRequest", "The request's body is not UTF-8.") from error

    return read_text_payload
