"""Pages of a list and the tokens between them. Knows nothing of what is listed.

A token says where the last page ended and which parameters it belongs to. It holds no secret and grants nothing: what a
forged one can reach, the same list shows without it. The check is against mistakes.
"""

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from outcrop.domain.errors import ValidationException
from outcrop.services.call import Call
from outcrop.store.database import from_microseconds, to_microseconds
from outcrop.store.listing import Listing, Page, Position

DEFAULT_PAGE_SIZE = 100
Rows = list[tuple[Any, ...]]


def page_of(
    call: Call, request: Mapping[str, Any], listing: Listing, filters: Mapping[str, Any]
) -> tuple[Rows, str | None]:
    """A page's rows and the next page's token. `filters` are the listing's, by value; a None does not filter."""
    live = {name: value for name, value in filters.items() if value is not None}
    live |= {"account": call.principal.account, "region": call.region}
    size = request.get("maxResults", DEFAULT_PAGE_SIZE)
    descending = request.get("sortOrder", "Descending") == "Descending"
    after = None
    if "nextToken" in request:
        after = _position(request["nextToken"], _belonging(listing, live, descending))
    with call.ground.database.read() as connection:
        rows = listing.rows(connection, Page(filters=live, limit=size + 1, descending=descending, after=after))
    if len(rows) <= size:
        return rows, None
    return rows[:size], _token(listing.position(rows[size - 1]), _belonging(listing, live, descending))


def answered(member: str, summaries: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    """The result of a List operation."""
    return {member: summaries} if token is None else {member: summaries, "nextToken": token}


def _belonging(listing: Listing, filters: Mapping[str, Any], descending: bool) -> str:
    """All that a token is tied to, as text."""
    return repr((listing.name, sorted(filters.items()), descending))


def _token(end: Position, belongs: str) -> str:
    place = [to_microseconds(end.created_at), end.id]
    return urlsafe_b64encode(json.dumps([*place, _seal(place, belongs)]).encode()).decode().rstrip("=")


def _position(token: str, belongs: str) -> Position:
    try:
        moment, row_id, seal = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if _is_place(moment, row_id) and seal == _seal([moment, row_id], belongs):
            return Position(from_microseconds(moment), row_id)
    except (ValueError, TypeError, RecursionError, OverflowError):
        pass  # not a token of ours: said below, together with a token of another list
    raise ValidationException(
        "The nextToken is not valid: it must come from the same operation in the same Region, "
        "called with the same filters and sort order."
    )


def _is_place(moment: object, row_id: object) -> bool:
    """Whether these could be a row's at all: a database may choke on others."""
    return type(moment) is int and isinstance(row_id, str) and row_id.isascii() and row_id.isprintable()


def _seal(place: list[Any], belongs: str) -> str:
    return hashlib.blake2s(f"{place}{belongs}".encode(), digest_size=8).hexdigest()
