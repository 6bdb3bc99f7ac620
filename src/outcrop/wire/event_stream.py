"""vnd.amazon.eventstream: frames of headers and a payload under two checksums. Knows nothing of what events mean."""

import binascii
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

from botocore.model import Shape

from outcrop.domain.errors import Fault
from outcrop.wire.json_values import encode_json, rest_writer
from outcrop.wire.shapes import modelled

Event = tuple[str, dict[str, Any]]
Encode = Callable[[dict[str, Any]], bytes]

_STRING = b"\x07"


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message of the stream."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + _STRING + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + head + payload
    return message + struct.pack(">I", binascii.crc32(message))


def compile_stream(union: Shape) -> Callable[[AsyncIterator[Event]], AsyncIterator[bytes]]:
    """Frames the events of a union; a Fault on the way becomes the exception frame of its name, and the end."""
    encoders = {name: _event_encoder(name, shape) for name, shape in union.members.items()}
    exceptions = frozenset(name for name, shape in union.members.items() if shape.metadata.get("exception"))

    async def stream(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
        try:
            async for name, event in events:
                yield encoders[name](event)
                if name in exceptions:
                    return
        except Fault as fault:
            name = _member_name(fault.code, exceptions)
            yield encoders[name]({"message": fault.message, **modelled(union.members[name], fault.members)})
        except Exception:
            # The answer has begun: the client learns it from a frame, the server's log from the exception.
            yield encoders["internalServerException"]({"message": "The stream broke off."})
            raise

    return stream


def _member_name(code: str, exceptions: frozenset[str]) -> str:
    name = code[:1].lower() + code[1:]
    return name if name in exceptions else "internalServerException"


def _event_encoder(name: str, shape: Shape) -> Encode:
    kind = "exception" if shape.metadata.get("exception") else "event"
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    write = rest_writer(shape)
    assert write is not None, "an event is a structure"
    return lambda event: frame(headers, encode_json(write(event)))
