"""Every operation that Outcrop serves, by service. What is not here is answered as not served.

A room is listed by its module's name, and imported when the table is built: one list, nothing registered in passing.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from outcrop.services.call import Operation

_ROOMS = {
    "bedrock": "outcrop.services.bedrock",
    "bedrock-runtime": "outcrop.services.runtime",
    "s3": "outcrop.services.s3",
    "iam": "outcrop.services.iam",
    "sts": "outcrop.services.sts",
    "kms": "outcrop.services.kms",
}


def _has_landed(module: str) -> bool:
    found = find_spec(module)
    return found is not None and found.origin is not None


OPERATIONS: dict[str, Mapping[str, Operation]] = {
    service: import_module(module).OPERATIONS for service, module in _ROOMS.items() if _has_landed(module)
}
