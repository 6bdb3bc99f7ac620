"""The column at which a member of a JSON text begins. Only for rows with a problem. Knows nothing of records."""

import json
import re

from outcrop.corpus.findings import Path

_SPACE = re.compile(r"[ \t\n\r]*")
# Numbers as floats: an integer of many thousand digits is no error here.
_DECODER = json.JSONDecoder(parse_int=float)


def column_of(text: str, path: Path) -> int:
    """Column, from 1, of the value at `path`; of the nearest parent that exists where it does not."""
    at = _skip_space(text, 0)
    try:
        for part in path:
            at = _item(text, at, part) if isinstance(part, int) else _member(text, at, part)
    except (ValueError, IndexError, KeyError, RecursionError):
        # The path ends here: this is as near as it gets.
        return at + 1
    return at + 1


def _member(text: str, at: int, name: str) -> int:
    """Where the value of the last member of that name begins."""
    if text[at] != "{":
        raise KeyError(name)
    found: int | None = None
    at = _skip_space(text, at + 1)
    while text[at] == '"':
        key, at = _DECODER.raw_decode(text, at)
        at = _skip_space(text, _skip_space(text, at) + 1)
        found = at if key == name else found
        at = _skip_comma(text, at)
    if found is None:
        raise KeyError(name)
    return found


def _item(text: str, at: int, index: int) -> int:
    if text[at] != "[":
        raise KeyError(index)
    at = _skip_space(text, at + 1)
    for _ in range(index):
        at = _skip_comma(text, at)
    if text[at] == "]":
        raise IndexError(index)
    return at


def _skip_comma(text: str, at: int) -> int:
    """Past a value and the comma behind it."""
    _, at = _DECODER.raw_decode(text, at)
    at = _skip_space(text, at)
    return _skip_space(text, at + 1) if text[at] == "," else at


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()
