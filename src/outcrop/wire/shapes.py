"""Words for reading botocore's shapes, and the compiling of each shape once. Knows nothing of any protocol."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from botocore.model import Shape

Code = TypeVar("Code", bound=Callable[..., Any])


def wire_name(key: str, shape: Shape) -> str:
    """How a member is called on the wire."""
    return str(shape.serialization.get("name", key))


def location(shape: Shape) -> str | None:
    """Where a member travels outside the body: uri, querystring, header, headers, statusCode."""
    place = shape.serialization.get("location")
    return None if place is None else str(place)


def is_document(shape: Shape) -> bool:
    """Whether any JSON may stand here."""
    return bool(getattr(shape, "is_document_type", False))


def is_event_stream(shape: Shape) -> bool:
    """Whether this member is a stream of events."""
    return bool(shape.serialization.get("eventstream"))


def modelled(shape: Shape, members: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a fault's members that its shape has."""
    return {key: value for key, value in members.items() if key in shape.members}


class ShapeCompiler(Generic[Code]):
    """Turns each shape into a closure once; a shape that contains itself finds its own closure when it runs."""

    def __init__(self, compile_shape: "Callable[[Shape, ShapeCompiler[Code]], Code | None]") -> None:
        self._compile_shape = compile_shape
        self._compiled: dict[tuple[str, int], Code | None] = {}
        self._open: set[tuple[str, int]] = set()
        self._lock = threading.RLock()

    def __call__(self, shape: Shape) -> Code | None:
        """The shape's closure; None where a value passes as it is."""
        # A member may add traits of its own to the shape that it refers to.
        key = (shape.name, hash(repr(shape.serialization) + repr(shape.metadata)))
        with self._lock:
            return self._closure(key, shape)

    def _closure(self, key: tuple[str, int], shape: Shape) -> Code | None:
        if key in self._open:
            return lambda *arguments: self._compiled[key](*arguments)  # type: ignore[return-value,misc]  # bound by then
        if key not in self._compiled:
            self._open.add(key)
            self._compiled[key] = self._compile_shape(shape, self)
            self._open.discard(key)
        return self._compiled[key]
