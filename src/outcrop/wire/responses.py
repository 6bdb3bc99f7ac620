"""From an operation's result to a response, compiled per operation. Knows nothing of errors: see `faults`."""

from collections.abc import Callable
from typing import Any

from botocore.model import OperationModel, Shape

from outcrop.wire.event_stream import compile_stream
from outcrop.wire.json_values import encode_json, rest_writer, structure_writer
from outcrop.wire.message import Response, ResponseBody
from outcrop.wire.shapes import is_event_stream, location, wire_name
from outcrop.wire.text_values import text_writer
from outcrop.wire.xml_values import members_writer

Result = dict[str, Any]
Serializer = Callable[[Result, str], Response]
HeaderList = list[tuple[bytes, bytes]]

_XML_TYPE = (b"content-type", b"application/xml")
_JSON_TYPE = (b"content-type", b"application/json")
_S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

EXTRA_HEADERS = "ResponseHeaders"
"""Where an operation's result keeps headers that its model does not have: names in lower case, texts."""

_S3_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "DeleteObjects": "DeleteResult",
    "GetObjectTagging": "Tagging",
    "GetBucketTagging": "Tagging",
}
"""Names of root elements: the one thing about S3's answers that the model does not say (botocore ignores them)."""


def compile_serializer(operation: OperationModel, protocol: str) -> Serializer:
    """The serializer of an operation in its service's protocol."""
    match protocol:
        case "query":
            return _form_serializer(operation)
        case "json":
            return _json_serializer(operation)
        case _:
            return _rest_serializer(operation, protocol)


def whole(status: int, headers: HeaderList, body: bytes) -> Response:
    """A response in one piece, its length stated."""
    if status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    return Response(status, headers, body)


def request_id_headers(protocol: str, request_id: str) -> HeaderList:
    """The request's id, under the name that the service's clients read."""
    if protocol == "rest-xml":
        return [(b"x-amz-request-id", request_id.encode()), (b"x-amz-id-2", request_id.encode())]
    return [(b"x-amzn-requestid", request_id.encode())]


def _form_serializer(operation: OperationModel) -> Serializer:
    shape, name = operation.output_shape, operation.name
    namespace = operation.service_model.metadata["xmlNamespace"]
    write = _write_nothing if shape is None else members_writer(shape)
    wrapper = None if shape is None else shape.serialization.get("resultWrapper")

    def serialize(result: Result, request_id: str) -> Response:
        inner = f"<{wrapper}>{write(result)}</{wrapper}>" if wrapper else write(result)
        closing = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        body = f'<{name}Response xmlns="{namespace}">{inner}{closing}</{name}Response>'
        headers = [(b"content-type", b"text/xml"), *request_id_headers("query", request_id)]
        return whole(200, headers, body.encode())

    return serialize


def _write_nothing(result: Result) -> str:
    return ""


def _json_serializer(operation: OperationModel) -> Serializer:
    shape = operation.output_shape
    write = None if shape is None else structure_writer(shape, rest_writer)
    version = operation.service_model.metadata["jsonVersion"]
    content_type = (b"content-type", f"application/x-amz-json-{version}".encode())

    def serialize(result: Result, request_id: str) -> Response:
        body = b"" if write is None else encode_json(write(result))
        return whole(200, [content_type, *request_id_headers("json", request_id)], body)

    return serialize


def _rest_serializer(operation: OperationModel, protocol: str) -> Serializer:
    shape = operation.output_shape
    status = int(operation.http.get("responseCode", 200))
    write_headers = _headers_writer(shape)
    write_body = _body_writer(operation, protocol)
    known = frozenset(() if shape is None else shape.members) | {EXTRA_HEADERS}
    partial = "ContentRange" in known

    def serialize(result: Result, request_id: str) -> Response:
        extra = result.get(EXTRA_HEADERS)
        if extra is not None:
            result = {key: value for key, value in result.items() if key != EXTRA_HEADERS}
        assert result.keys() <= known, f"{operation.name} answers no {result.keys() - known}"
        content_type, body = write_body(result)
        headers = request_id_headers(protocol, request_id)
        said = write_headers(result)
        if content_type is not None and not any(name == b"content-type" for name, _ in said):
            headers.append(content_type)
        headers += said
        headers += [(name.encode(), header_value(text)) for name, text in (extra or {}).items()]
        answered = 206 if partial and result.get("ContentRange") else status
        if isinstance(body, bytes) and not any(name == b"content-length" for name, _ in said):
            return whole(answered, headers, body)
        return Response(answered, headers, body)

    return serialize


def _headers_writer(shape: Shape | None) -> Callable[[Result], HeaderList]:
    members = {} if shape is None else shape.members
    plain = [
        (key, wire_name(key, member).lower().encode(), text_writer(member, "rfc822"))
        for key, member in members.items()
        if location(member) == "header"
    ]
    prefixed = [(key, wire_name(key, m).lower()) for key, m in members.items() if location(m) == "headers"]

    def write_headers(result: Result) -> HeaderList:
        written = [
            (name, header_value(write(value))) for key, name, write in plain if (value := result.get(key)) is not None
        ]
        for key, prefix in prefixed:
            written += [
                (header_value(prefix + name), header_value(value)) for name, value in result.get(key, {}).items()
            ]
        return written

    return write_headers


_NO_LINES = {ord(control): " " for control in "\r\n\0"}


def header_value(text: str) -> bytes:
    """Text as it may stand in a header: nothing in it can begin another one."""
    return text.translate(_NO_LINES).encode("utf-8")


BodyWriter = Callable[[Result], tuple[tuple[bytes, bytes] | None, ResponseBody]]


def _body_writer(operation: OperationModel, protocol: str) -> BodyWriter:
    shape = operation.output_shape
    if shape is None:
        return lambda result: (None, b"")
    streams = [key for key, member in shape.members.items() if is_event_stream(member)]
    if streams:
        return _event_body(streams[0], shape.members[streams[0]])
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name in ("blob", "string"):
        return lambda result: (None, _raw(result.get(payload) or b""))
    if protocol == "rest-json":
        return _json_body(shape, payload)
    return _xml_body(operation, shape, payload)


def _raw(body: Any) -> ResponseBody:
    raw: ResponseBody = body.encode() if isinstance(body, str) else body
    return raw


def _event_body(key: str, union: Shape) -> BodyWriter:
    stream = compile_stream(union)
    content_type = (b"content-type", b"application/vnd.amazon.eventstream")
    return lambda result: (content_type, stream(result[key]))


def _json_body(shape: Shape, payload: str | None) -> BodyWriter:
    if payload:
        write = structure_writer(shape.members[payload], rest_writer)
        return lambda result: (_JSON_TYPE, encode_json(write(result[payload])))
    write = structure_writer(shape, rest_writer)
    return lambda result: (_JSON_TYPE, encode_json(write(result)))


def _xml_body(operation: OperationModel, shape: Shape, payload: str | None) -> BodyWriter:
    if operation.name == "GetBucketLocation":
        return _location_body
    if payload:
        return _xml_payload(payload, shape.members[payload])
    if all(location(member) for member in shape.members.values()):
        return lambda result: (None, b"")
    write, root = members_writer(shape), _S3_ROOTS.get(operation.name, f"{operation.name}Result")
    return lambda result: (_XML_TYPE, _document(root, write(result)))


def _xml_payload(key: str, member: Shape) -> BodyWriter:
    write, name = members_writer(member), str(member.serialization.get("name", member.name))

    def write_payload(result: Result) -> tuple[tuple[bytes, bytes] | None, ResponseBody]:
        value = result.get(key)
        return (None, b"") if value is None else (_XML_TYPE, _document(name, write(value)))

    return write_payload


def _location_body(result: Result) -> tuple[tuple[bytes, bytes] | None, ResponseBody]:
    """The one answer whose only member is the root's own text."""
    return _XML_TYPE, _document("LocationConstraint", result.get("LocationConstraint") or "")


def _document(root: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_S3_NAMESPACE}">{inner}</{root}>'.encode()
