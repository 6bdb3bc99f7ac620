"""The one place where a Fault becomes an answer: status, code and shape of the service's own dialect."""

from typing import Any

from botocore.model import Shape

from outcrop.domain.errors import Fault
from outcrop.wire.fault_codes import spoken_code, status_of_code
from outcrop.wire.json_values import encode_json, rest_writer
from outcrop.wire.message import Response
from outcrop.wire.operation import Operation
from outcrop.wire.responses import HeaderList, header_value, request_id_headers, whole
from outcrop.wire.service import Service
from outcrop.wire.shapes import modelled
from outcrop.wire.xml_values import escape, members_writer


def fault(service: Service | None, operation: Operation | None, error: Fault, request_id: str) -> Response:
    """The answer to a fault. Without a service it speaks rest-json, the dialect of most of what Outcrop serves."""
    protocol = "rest-json" if service is None else service.protocol
    code = spoken_code(error.code, protocol, None if service is None else service.name)
    shape = None if service is None else _error_shape(service, code)
    if shape is not None:
        code = shape.error_code
    status = _status(shape, code, protocol)
    headers = request_id_headers(protocol, request_id)
    match protocol:
        case "rest-xml":
            has_body = status != 304 and (operation is None or operation.method != "HEAD")
            return _s3_fault(status, headers, error, _s3_document(code, error, request_id), has_body)
        case "query":
            assert service is not None, "only a service speaks query"
            document = _form_document(service, code, error, shape, status, request_id)
            return whole(status, [*headers, (b"content-type", b"text/xml")], document)
        case _:
            return _json_fault(status, headers, code, error, shape, protocol)


def _error_shape(service: Service, code: str) -> Shape | None:
    """The model's shape for a code: by the code that it states, or by its own name."""
    return service.error_shapes.get(code)


def _status(shape: Shape | None, code: str, protocol: str) -> int:
    stated = None if shape is None else shape.metadata.get("error", {}).get("httpStatusCode")
    return int(stated) if stated else status_of_code(code, protocol)


def _json_fault(
    status: int, headers: HeaderList, code: str, error: Fault, shape: Shape | None, protocol: str
) -> Response:
    members = {"message": error.message, **_written(shape, error.members)}
    if protocol == "json":
        content_type = b"application/x-amz-json-1.1"
        return whole(status, [*headers, (b"content-type", content_type)], encode_json({"__type": code, **members}))
    headers += [(b"x-amzn-errortype", header_value(code)), (b"content-type", b"application/json")]
    return whole(status, headers, encode_json(members))


def _written(shape: Shape | None, members: dict[str, Any]) -> dict[str, Any]:
    if shape is None:
        return {}
    write = rest_writer(shape)
    written: dict[str, Any] = write(modelled(shape, members)) if write is not None else {}
    return written


def _form_document(
    service: Service, code: str, error: Fault, shape: Shape | None, status: int, request_id: str
) -> bytes:
    kind = "Sender" if status < 500 else "Receiver"
    extra = "" if shape is None else members_writer(shape)(modelled(shape, error.members))
    namespace = service.model.metadata["xmlNamespace"]
    said = f"<Type>{kind}</Type><Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>{extra}"
    closing = f"<RequestId>{request_id}</RequestId>"
    return f'<ErrorResponse xmlns="{namespace}"><Error>{said}</Error>{closing}</ErrorResponse>'.encode()


def _s3_fault(status: int, headers: HeaderList, error: Fault, document: bytes, has_body: bool) -> Response:
    headers += _s3_headers(status, error)
    if not has_body:
        return whole(status, headers, b"")
    return whole(status, [*headers, (b"content-type", b"application/xml")], document)


def _s3_headers(status: int, error: Fault) -> HeaderList:
    """What HTTP wants said beside the status: the object as it is now."""
    if status == 304 and "ETag" in error.members:
        return [(b"etag", header_value(str(error.members["ETag"])))]
    if status == 416 and "ActualObjectSize" in error.members:
        return [(b"content-range", b"bytes */%d" % int(error.members["ActualObjectSize"]))]
    return []


def _s3_document(code: str, error: Fault, request_id: str) -> bytes:
    """S3 tells everything as elements of the error, modelled or not (`<Key>`, `<BucketName>`, ...)."""
    extra = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in error.members.items())
    said = f"<Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>{extra}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{said}<RequestId>{request_id}</RequestId></Error>'.encode()
