"""HTTP <-> operation, driven by botocore's own service models: match, parse, constrain, serialize, fault.

No sockets, no signatures, no meaning: what an operation does is `services`' to say.
"""

from typing import Any

from outcrop.domain.errors import Fault
from outcrop.wire.faults import fault
from outcrop.wire.form_values import read_query
from outcrop.wire.message import Headers, Match, Params, Query, Request, RequestBody, Response, ResponseBody
from outcrop.wire.models import OWN_MODELS
from outcrop.wire.operation import Operation
from outcrop.wire.service import NAMES, Service, service, service_for

__all__ = [
    "NAMES",
    "OWN_MODELS",
    "Headers",
    "Match",
    "Operation",
    "Params",
    "Query",
    "RequestBody",
    "Response",
    "ResponseBody",
    "Service",
    "constrain",
    "fault",
    "parse",
    "read_query",
    "serialize",
    "service",
    "service_for",
]


def parse(operation: Operation, match: Match, query: Query, headers: Headers, body: RequestBody) -> Params:
    """A request's arguments under botocore's names and in Python's types. Raises Fault where nothing can be read."""
    try:
        return operation.parse(Request(uri=match.uri, query=query, headers=headers, body=body))
    except RecursionError as error:
        raise _too_deep() from error


def constrain(operation: Operation, params: Params) -> None:
    """Raises one Fault, with the service's own code, that names every member that breaks a rule of the model."""
    try:
        operation.constrain(params)
    except RecursionError as error:
        raise _too_deep() from error


def serialize(operation: Operation, result: dict[str, Any], request_id: str) -> Response:
    """An operation's result as the answer that botocore reads back to the same values."""
    return operation.serialize(result, request_id)


def _too_deep() -> Fault:
    """A shape may contain itself, and a request nest it without end."""
    return Fault("SerializationException", "The request's body is nested too deep.")
