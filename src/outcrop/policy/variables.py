"""Policy variables: `${aws:username}`, `${key, 'default'}` and the literals `${*}`, `${?}`, `${$}`.

Knows nothing of statements. A variable's value is literal text: a `*` in a user's name is no wildcard.
"""

import re
from collections.abc import Mapping
from typing import Any

from outcrop.policy import globs

Context = Mapping[str, Any]  # keys in lower case

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_LITERALS = ("*", "?", "$")


class MissingVariable(Exception):
    """The context has no single value for a variable: what holds it matches nothing."""


def has_variables(text: str) -> bool:
    """Would `fill` or `fill_atoms` change this text?"""
    return _VARIABLE.search(text) is not None


def fill(text: str, context: Context) -> str:
    """The text with its variables replaced."""
    return _VARIABLE.sub(lambda found: _value(found[1], context), text)


def fill_atoms(text: str, context: Context) -> list[str]:
    """The atoms of a pattern with its variables replaced by literal characters."""
    atoms: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        atoms += globs.cut(text[end : found.start()])
        atoms += _value(found[1], context)
        end = found.end()
    return atoms + globs.cut(text[end:])


def _value(inside: str, context: Context) -> str:
    if inside in _LITERALS:
        return inside
    key, _, default = (part.strip() for part in inside.partition(","))
    value = context.get(key.lower())
    if isinstance(value, str | int | float):
        return as_text(value)
    if default:
        return default.strip("'")
    raise MissingVariable(key)


def as_text(value: Any) -> str:
    """A context value or a policy's value as policies spell it: booleans are `true` and `false`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
