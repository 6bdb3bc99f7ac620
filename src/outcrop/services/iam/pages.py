"""Pages of a list: MaxItems, Marker, IsTruncated. Knows nothing of what is listed."""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from outcrop.domain.errors import Fault

ITEMS_UNLESS_ASKED = 100

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Wanted:
    """At most `limit` rows behind the key `after`."""

    after: str
    limit: int


def wanted(request: dict[str, Any]) -> Wanted:
    """What page a request asks for."""
    return Wanted(_read(request.get("Marker", "")), request.get("MaxItems", ITEMS_UNLESS_ASKED))


def page(
    rows: Iterable[Row], asked: Wanted, key: Callable[[Row], str], member: str, view: Callable[[Row], Any]
) -> dict[str, Any]:
    """The answer that holds one page of rows; they come in the order of their keys."""
    left = [row for row in rows if key(row) > asked.after]
    shown = left[: asked.limit]
    answer: dict[str, Any] = {member: [view(row) for row in shown], "IsTruncated": len(left) > len(shown)}
    if answer["IsTruncated"]:
        answer["Marker"] = base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()
    return answer


def _read(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars="-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise Fault("ValidationError", "The Marker is not one that a list has answered.") from None
