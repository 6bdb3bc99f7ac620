"""Condition operators: what each compares, and how set operators, IfExists and missing keys behave.

Knows nothing of statements. The rules are IAM's: a missing key fails a positive operator and satisfies a negated one.
"""

import ipaddress
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outcrop.policy import globs, variables
from outcrop.policy.variables import Context, MissingVariable, as_text

FOR_ALL, FOR_ANY = "forallvalues", "foranyvalue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One operator on one key: `ForAnyValue:StringNotLikeIfExists` taken apart."""

    operator: str
    key: str
    values: tuple[str, ...]
    negated: bool = False
    if_exists: bool = False
    quantifier: str | None = None
    variables: bool = True


def split_operator(name: str) -> tuple[str, bool, bool, str | None] | None:
    """(positive operator, negated, if_exists, quantifier) in lower case, or None where there is no such operator."""
    rest = name.lower()
    quantifier, colon, after = rest.partition(":")
    rest = after if colon else rest
    if colon and quantifier not in (FOR_ALL, FOR_ANY):
        return None
    if_exists = rest.endswith("ifexists") and rest != "nullifexists"
    rest = rest.removesuffix("ifexists") if if_exists else rest
    positive = _NEGATED.get(rest, rest)
    if positive not in _COMPARE and positive != "null":
        return None
    return positive, rest in _NEGATED, if_exists, quantifier if colon else None


def readable(operator_name: str, value: str) -> bool:
    """Can the operator (positive, lower case) make sense of a policy's value?"""
    reader = _READERS.get(_kind(operator_name))
    if reader is None or variables.has_variables(value):
        return True
    try:
        reader(value)
    except ValueError:
        return False
    return True


def holds(condition: Condition, context: Context) -> bool:
    """Does the condition hold for the facts of a request?"""
    value = context.get(condition.key)
    if condition.operator == "null":
        return any((value is None) == (wanted.lower() == "true") for wanted in condition.values)
    values = _as_list(value)
    if condition.quantifier == FOR_ANY:
        return any(_satisfies(condition, one, context) for one in values)
    if condition.quantifier == FOR_ALL:
        return all(_satisfies(condition, one, context) for one in values)
    if not values:
        return condition.if_exists or condition.negated
    hit = any(_equals_one(condition, one, context) for one in values)
    return hit != condition.negated


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _satisfies(condition: Condition, value: Any, context: Context) -> bool:
    return _equals_one(condition, value, context) != condition.negated


def _equals_one(condition: Condition, value: Any, context: Context) -> bool:
    compare = _COMPARE[condition.operator]
    return any(
        _equals(compare, wanted, as_text(value), context if condition.variables else None)
        for wanted in condition.values
    )


def _equals(compare: "Compare", wanted: str, value: str, context: Context | None) -> bool:
    try:
        return compare(wanted, value, context)
    except (ValueError, MissingVariable):  # a value that cannot be read, or a variable without one, equals nothing
        return False


Compare = Callable[[str, str, Context | None], bool]


def _filled(wanted: str, context: Context | None) -> str:
    return wanted if context is None else variables.fill(wanted, context)


def _atoms(wanted: str, context: Context | None) -> list[str]:
    return globs.cut(wanted) if context is None else variables.fill_atoms(wanted, context)


def _string_equals(wanted: str, value: str, context: Context | None) -> bool:
    return _filled(wanted, context) == value


def _string_equals_ignoring_case(wanted: str, value: str, context: Context | None) -> bool:
    return _filled(wanted, context).casefold() == value.casefold()


def _string_like(wanted: str, value: str, context: Context | None) -> bool:
    return globs.matches_atoms(_atoms(wanted, context), value)


def _arn_like(wanted: str, value: str, context: Context | None) -> bool:
    """Each of the six parts on its own, so that a `*` does not reach over a colon into the next part."""
    patterns, parts = wanted.split(":", 5), value.split(":", 5)
    if not len(patterns) == len(parts) == 6:
        return False
    return all(_string_like(pattern, part, context) for pattern, part in zip(patterns, parts, strict=True))


def _bool(wanted: str, value: str, context: Context | None) -> bool:
    return _filled(wanted, context).lower() == value.lower()


def _binary_equals(wanted: str, value: str, _context: Context | None) -> bool:
    return wanted == value


def _ip_address(wanted: str, value: str, context: Context | None) -> bool:
    return ipaddress.ip_address(value) in _read_network(_filled(wanted, context))


def _read_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _read_number(text: str) -> float:
    return float(text)


def _read_date(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 date or of epoch seconds."""
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _ordered(read: Callable[[str], float], compare: Callable[[float, float], bool]) -> Compare:
    return lambda wanted, value, context: compare(read(value), read(_filled(wanted, context)))


_ORDERS: Mapping[str, Callable[[float, float], bool]] = {
    "equals": operator.eq,
    "lessthan": operator.lt,
    "lessthanequals": operator.le,
    "greaterthan": operator.gt,
    "greaterthanequals": operator.ge,
}
_COMPARE: Mapping[str, Compare] = {
    "stringequals": _string_equals,
    "stringequalsignorecase": _string_equals_ignoring_case,
    "stringlike": _string_like,
    "arnequals": _arn_like,
    "arnlike": _arn_like,
    "bool": _bool,
    "binaryequals": _binary_equals,
    "ipaddress": _ip_address,
    **{f"numeric{order}": _ordered(_read_number, compare) for order, compare in _ORDERS.items()},
    **{f"date{order}": _ordered(_read_date, compare) for order, compare in _ORDERS.items()},
}
_NEGATED: Mapping[str, str] = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
}
_READERS: Mapping[str, Callable[[str], Any]] = {
    "numeric": _read_number,
    "date": _read_date,
    "ipaddress": _read_network,
    "bool": _read_bool,
    "null": _read_bool,
}


def _kind(operator_name: str) -> str:
    return next((kind for kind in _READERS if operator_name.startswith(kind)), operator_name)
