"""How S3 lists keys: in byte order, under a prefix, rolled up at a delimiter, a page at a time. Knows no table.

Keys are UTF-8 bytes, so that their order is S3's on every database.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Row = TypeVar("Row")
Fetch = Callable[[bytes, int], list[tuple[bytes, Row]]]  # the first rows whose key is not below the given one
_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to list. `after` is the last key or common prefix of the page before, or where to begin."""

    prefix: bytes = b""
    delimiter: bytes = b""
    after: bytes = b""
    limit: int = _BATCH


@dataclass(slots=True)
class KeyPage(Generic[Row]):
    """One page. `last` is the key or common prefix that the next page comes after."""

    rows: list[Row] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    truncated: bool = False
    last: bytes = b""

    def __len__(self) -> int:
        return len(self.rows) + len(self.prefixes)


def list_keys(fetch: Fetch[Row], question: Question) -> KeyPage[Row]:
    """One page of keys and common prefixes. A common prefix costs one fetch, however many keys it stands for."""
    page: KeyPage[Row] = KeyPage()
    if question.limit <= 0:
        return page
    at = _first(question)
    batch = min(question.limit, _BATCH) + 1
    while True:
        found = fetch(at, batch)
        for key, row in found:
            if key < at:
                continue  # inside a common prefix that this page has already
            if not key.startswith(question.prefix):
                return page
            if len(page) == question.limit:
                page.truncated = True
                return page
            at = _take(page, key, row, question)
        if len(found) < batch:
            return page


def _first(question: Question) -> bytes:
    after = question.after
    if not after:
        return question.prefix
    return max(question.prefix, past(after) if rolls_up(question, after) else after + b"\x00")


def rolls_up(question: Question, key: bytes) -> bool:
    """Whether this is a common prefix: it ends at the first delimiter after the question's prefix."""
    if not question.delimiter or not key.startswith(question.prefix):
        return False
    cut = key.find(question.delimiter, len(question.prefix))
    return cut >= 0 and cut + len(question.delimiter) == len(key)


def _take(page: KeyPage[Row], key: bytes, row: Row, question: Question) -> bytes:
    """Put the key, or its common prefix, on the page; answers where to go on."""
    cut = key.find(question.delimiter, len(question.prefix)) if question.delimiter else -1
    if cut < 0:
        page.rows.append(row)
        page.last = key
        return key + b"\x00"
    page.last = key[: cut + len(question.delimiter)]
    page.prefixes.append(page.last)
    return past(page.last)


def past(prefix: bytes) -> bytes:
    """The first key after every key that begins with `prefix` (UTF-8 has no byte 0xff, so one can be added)."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
