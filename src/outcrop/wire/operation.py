"""One operation: its model, and its parser, checks and serializer, each compiled when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.model import OperationModel, Shape

from outcrop.wire.constraints import compile_constraints
from outcrop.wire.message import Params, Request, Response
from outcrop.wire.requests import compile_parser
from outcrop.wire.responses import compile_serializer
from outcrop.wire.shapes import is_event_stream


@dataclass(frozen=True)
class Operation:
    """An operation of a service's model."""

    service: str
    protocol: str
    model: OperationModel

    @cached_property
    def name(self) -> str:
        """As in the model: `CreateBucket`."""
        return str(self.model.name)

    @cached_property
    def method(self) -> str:
        """The HTTP method."""
        return str(self.model.http["method"])

    @cached_property
    def streams_in(self) -> str | None:
        """The member that takes the request's body as it comes, in chunks; None where the body is read whole."""
        return _streaming_member(self.model.input_shape)

    @cached_property
    def streams_out(self) -> bool:
        """Whether the answer's body is a stream of bytes or of events."""
        shape = self.model.output_shape
        members = [] if shape is None else shape.members.values()
        return _streaming_member(shape) is not None or any(is_event_stream(member) for member in members)

    @cached_property
    def parse(self) -> Callable[[Request], Params]:
        """From a request to the operation's arguments."""
        return compile_parser(self.model, self.protocol)

    @cached_property
    def constrain(self) -> Callable[[Params], None]:
        """Raises a Fault that names every member that breaks a rule of the model."""
        return compile_constraints(self.model, self.service)

    @cached_property
    def serialize(self) -> Callable[[dict[str, Any], str], Response]:
        """From the operation's result and the request's id to the answer."""
        return compile_serializer(self.model, self.protocol)


def _streaming_member(shape: Shape | None) -> str | None:
    payload = None if shape is None else shape.serialization.get("payload")
    if shape is None or payload is None or not shape.members[payload].serialization.get("streaming"):
        return None
    return str(payload)
