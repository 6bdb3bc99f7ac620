"""A policy document as a value: read once, every mistake named with its place. Knows nothing of who asks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.policy import conditions
from outcrop.policy.conditions import Condition
from outcrop.policy.variables import as_text

VERSIONS = ("2012-10-17", "2008-10-17")
VERSION_WITH_VARIABLES = "2012-10-17"
PRINCIPAL_KINDS = ("AWS", "Service", "Federated", "CanonicalUser")
DOCUMENT_KEYS = {"Version", "Id", "Statement"}
STATEMENT_KEYS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}


class Purpose(Enum):
    """Where a document is to hang: an identity's names no principal, a trust policy no resource, a resource's both."""

    IDENTITY = "identity"
    TRUST = "trust"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A pair such as Action/NotAction: patterns, and whether everything but them is meant."""

    values: tuple[str, ...]
    excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Principals:
    """Principal/NotPrincipal: patterns by kind; `"*"` alone is everyone."""

    kinds: Mapping[str, tuple[str, ...]]
    everyone: bool = False
    excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. An absent element is None: it says nothing."""

    name: str
    allows: bool
    actions: Element
    resources: Element | None = None
    principals: Principals | None = None
    conditions: tuple[Condition, ...] = ()
    variables: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A document that was read without a mistake."""

    version: str
    statements: tuple[Statement, ...] = field(default_factory=tuple)


def parse(document: str | Mapping[str, Any], purpose: Purpose | None = None) -> Policy:
    """The policy in a document; MalformedPolicyDocument says what is wrong and where."""
    if isinstance(document, str):
        return _parse_text(document, purpose)
    return _read_document(document, purpose)


@lru_cache(maxsize=1024)
def _parse_text(text: str, purpose: Purpose | None) -> Policy:
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise malformed(f"the document is not JSON: {_where_json_broke(error)}") from None
    return _read_document(document, purpose)


def _where_json_broke(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "it is nested too deeply"


def malformed(what: str) -> Fault:
    """The fault for a document that breaks the policy language."""
    return Fault("MalformedPolicyDocument", f"Policy document: {what}.")


def _read_document(document: Any, purpose: Purpose | None) -> Policy:
    if not isinstance(document, Mapping):
        raise malformed("it must be a JSON object")
    _refuse_unknown(document, DOCUMENT_KEYS, "the document")
    version = document.get("Version", "2008-10-17")
    if version not in VERSIONS:
        raise malformed(f"Version must be one of {', '.join(VERSIONS)}")
    statements = document.get("Statement")
    statements = [statements] if isinstance(statements, Mapping) else statements
    if not isinstance(statements, list) or not statements:
        raise malformed("Statement must be an object or a list of at least one object")
    read = tuple(_read_statement(statement, number, version, purpose) for number, statement in enumerate(statements, 1))
    _refuse_equal_sids([statement.get("Sid") for statement in statements])
    return Policy(version=version, statements=read)


def _read_statement(statement: Any, number: int, version: str, purpose: Purpose | None) -> Statement:
    place = f"statement {number}"
    if not isinstance(statement, Mapping):
        raise malformed(f"{place} must be an object")
    _refuse_unknown(statement, STATEMENT_KEYS, place)
    if statement.get("Effect") not in ("Allow", "Deny"):
        raise malformed(f"{place}: Effect must be Allow or Deny")
    sid = statement.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise malformed(f"{place}: Sid must be a string")
    actions = _read_element(statement, "Action", place)
    if actions is None:
        raise malformed(f"{place} has no Action or NotAction")
    _check_actions(actions, place)
    resources = _read_element(statement, "Resource", place)
    _check_resources(resources, place)
    principals = _read_principals(statement, place)
    _check_purpose(purpose, resources, principals, place)
    return Statement(
        name=sid or place,
        allows=statement["Effect"] == "Allow",
        actions=actions,
        resources=resources,
        principals=principals,
        conditions=_read_conditions(statement.get("Condition", {}), place, version),
        variables=version == VERSION_WITH_VARIABLES,
    )


def _refuse_unknown(given: Mapping[str, Any], known: set[str], place: str) -> None:
    unknown = sorted(str(key) for key in given if key not in known)
    if unknown:
        raise malformed(f"{place} has the unknown element {unknown[0]!r}; elements are {', '.join(sorted(known))}")


def _refuse_equal_sids(sids: list[Any]) -> None:
    named = [sid for sid in sids if sid]
    repeated = next((sid for sid in named if named.count(sid) > 1), None)
    if repeated:
        raise malformed(f"the Sid {repeated!r} is used by more than one statement")


def _read_element(statement: Mapping[str, Any], name: str, place: str) -> Element | None:
    chosen = _choose(statement, name, place)
    if chosen is None:
        return None
    return Element(values=_strings(statement[chosen], f"{place}: {chosen}"), excluded=chosen != name)


def _choose(statement: Mapping[str, Any], name: str, place: str) -> str | None:
    present = [key for key in (name, f"Not{name}") if key in statement]
    if len(present) == 2:
        raise malformed(f"{place} has both {name} and Not{name}")
    return present[0] if present else None


def _strings(value: Any, place: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, str) for one in values):
        raise malformed(f"{place} must be a string or a list of strings")
    return tuple(values)


def _check_actions(actions: Element, place: str) -> None:
    for action in actions.values:
        vendor, colon, name = action.partition(":")
        if action != "*" and not (colon and vendor and name):
            raise malformed(f"{place}: the action {action!r} must be '*' or look like 'service:Operation'")


def _check_resources(resources: Element | None, place: str) -> None:
    for resource in resources.values if resources else ():
        if not resource.startswith(("arn:", "*", "${")):
            raise malformed(f"{place}: the resource {resource!r} must be an ARN or '*'")


def _read_principals(statement: Mapping[str, Any], place: str) -> Principals | None:
    chosen = _choose(statement, "Principal", place)
    if chosen is None:
        return None
    excluded = chosen == "NotPrincipal"
    given = statement[chosen]
    if given == "*":
        return Principals(kinds={}, everyone=True, excluded=excluded)
    if not isinstance(given, Mapping) or not given:
        raise malformed(f"{place}: {chosen} must be '*' or an object of {', '.join(PRINCIPAL_KINDS)}")
    _refuse_unknown(given, set(PRINCIPAL_KINDS), f"{place}: {chosen}")
    kinds = {kind: _strings(value, f"{place}: {chosen} {kind}") for kind, value in given.items()}
    return Principals(kinds=kinds, excluded=excluded)


def _check_purpose(
    purpose: Purpose | None, resources: Element | None, principals: Principals | None, place: str
) -> None:
    if purpose is Purpose.IDENTITY and principals is not None:
        raise malformed(f"{place} has a Principal, which only resource policies and trust policies may have")
    if purpose in (Purpose.TRUST, Purpose.RESOURCE) and principals is None:
        raise malformed(f"{place} has no Principal or NotPrincipal")
    if purpose is Purpose.TRUST and resources is not None:
        raise malformed(f"{place} has a Resource, which a trust policy may not have")
    if purpose in (Purpose.IDENTITY, Purpose.RESOURCE) and resources is None:
        raise malformed(f"{place} has no Resource or NotResource")


def _read_conditions(block: Any, place: str, version: str) -> tuple[Condition, ...]:
    if not isinstance(block, Mapping):
        raise malformed(f"{place}: Condition must be an object")
    found = []
    for operator_name, keys in block.items():
        if not isinstance(keys, Mapping):
            raise malformed(f"{place}: Condition {operator_name} must be an object of keys and values")
        found += [_read_condition(operator_name, key, value, (place, version)) for key, value in keys.items()]
    return tuple(found)


def _read_condition(operator_name: str, key: str, value: Any, where: tuple[str, str]) -> Condition:
    place, version = where
    parts = conditions.split_operator(operator_name)
    if parts is None:
        raise malformed(f"{place}: Condition has no operator {operator_name!r}")
    positive, negated, if_exists, quantifier = parts
    given = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int | float) for one in given):
        raise malformed(f"{place}: Condition {operator_name} {key} must be a value or a list of values")
    values = tuple(as_text(one) for one in given)
    unreadable = next((one for one in values if not conditions.readable(positive, one)), None)
    if unreadable is not None:
        raise malformed(f"{place}: Condition {operator_name} {key} cannot read the value {unreadable!r}")
    return Condition(
        operator=positive,
        key=key.lower(),
        values=values,
        negated=negated,
        if_exists=if_exists,
        quantifier=quantifier,
        variables=version == VERSION_WITH_VARIABLES,
    )
