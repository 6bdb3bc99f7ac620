"""The services: which of them a request is for, and which of its operations. Knows nothing of who calls."""

from collections.abc import Mapping
from functools import cache, cached_property

from botocore.model import ServiceModel, Shape

from outcrop.domain.errors import Fault
from outcrop.wire.form_values import action_of
from outcrop.wire.message import Headers, Match, Query
from outcrop.wire.models import load_model
from outcrop.wire.operation import Operation
from outcrop.wire.routing import Router

NAMES = ("bedrock", "bedrock-runtime", "s3", "iam", "sts", "kms", "outcrop")

_RUNTIME_PATHS = ("/model/", "/async-invoke", "/guardrail/", "/guardrail-checks")
"""Bedrock's two halves share a signing name; the data plane's paths begin so."""


class Service:
    """One service's model. Read at the first question, each operation compiled at its first use."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._operations: dict[str, Operation] = {}

    @cached_property
    def model(self) -> ServiceModel:
        """botocore's model."""
        return load_model(self.name)

    @cached_property
    def protocol(self) -> str:
        """rest-json, rest-xml, query or json."""
        return str(self.model.resolved_protocol)

    @cached_property
    def match_needs_body(self) -> bool:
        """Whether `match` looks into the body (query protocol: the action is a field of the form)."""
        return self.protocol == "query"

    @cached_property
    def operation_names(self) -> frozenset[str]:
        """Every operation of the model, served or not."""
        return frozenset(self.model.operation_names)

    @cached_property
    def error_shapes(self) -> dict[str, Shape]:
        """The model's error shapes, by their names and by the codes that they state."""
        shapes = self.model.error_shapes
        return {**{shape.name: shape for shape in shapes}, **{shape.error_code: shape for shape in shapes}}

    def operation(self, name: str) -> Operation:
        """The operation of that name; KeyError where the model has none."""
        if name not in self._operations:
            if name not in self.operation_names:
                raise KeyError(name)
            model = self.model.operation_model(name)
            self._operations[name] = Operation(service=self.name, protocol=self.protocol, model=model)
        return self._operations[name]

    def match(self, method: str, raw_path: str, query: Query, headers: Headers, body: bytes = b"") -> Match | None:
        """The operation that a request asks for; None where the model has none such."""
        if self.protocol in ("rest-json", "rest-xml"):
            found = self._router.find(method, raw_path, query, headers)
            return None if found is None else Match(operation=self.operation(found[0]), uri=found[1])
        name = _target(headers) if self.protocol == "json" else action_of(query, body)
        return Match(operation=self.operation(name), uri={}) if name in self.operation_names else None

    def no_such_operation(self, method: str, raw_path: str) -> Fault:
        """What to answer where `match` found nothing."""
        match self.protocol:
            case "rest-xml":
                return Fault("MethodNotAllowed", f"The method {method} is not allowed against this resource.")
            case "query":
                return Fault("InvalidAction", "The request names no action of this service.")
            case _:
                return Fault(
                    "UnknownOperationException", f"{self.name} has no operation for {method} {raw_path[:200]}."
                )

    @cached_property
    def _router(self) -> Router:
        return Router(self.model.operation_model(name) for name in self.model.operation_names)


@cache
def service(name: str) -> Service:
    """The service of that name: one of `NAMES`."""
    if name not in NAMES:
        raise KeyError(name)
    return Service(name)


def service_for(signing_name: str | None, method: str, raw_path: str, headers: Headers) -> Service | None:
    """The service that a credential scope's name stands for; with None (nothing is signed) the path's best guess."""
    if signing_name == "bedrock":
        return service("bedrock-runtime" if raw_path.startswith(_RUNTIME_PATHS) else "bedrock")
    if signing_name is None:
        return _guessed(method, raw_path, headers)
    return service(signing_name) if signing_name in NAMES else None


def _guessed(method: str, raw_path: str, headers: Mapping[str, str]) -> Service:
    if headers.get("x-amz-target", "").startswith("TrentService."):
        return service("kms")
    if method == "POST" and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return service("sts")
    if raw_path.startswith(_RUNTIME_PATHS):
        return service("bedrock-runtime")
    knows = service("bedrock").match(method, raw_path, (), headers)
    return service("bedrock") if knows else service("s3")


def _target(headers: Mapping[str, str]) -> str:
    return headers.get("x-amz-target", "").rpartition(".")[2]
