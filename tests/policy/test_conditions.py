"""Condition operators against the documented rules."""

from typing import Any

import pytest

from outcrop.policy import AccessRequest, evaluate

KEY = "aws:TheKey"
MANY = ["a", "z"]


def allowed(condition: dict[str, Any], context: dict[str, Any], version: str = "2012-10-17") -> bool:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    request = AccessRequest(action="s3:GetObject", resource="*", context=context)
    return evaluate(request, identity=[{"Version": version, "Statement": statement}]).allowed


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "holds"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a*", "ab", False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["b", "a"], "a", False),
        ("StringEqualsIgnoreCase", "a", "A", True),
        ("StringNotEqualsIgnoreCase", "a", "A", False),
        ("StringLike", "a*c?", "abcd", True),
        ("StringLike", "a*c?", "abc", False),
        ("StringNotLike", "a*", "abc", False),
        ("StringNotLike", "b*", "abc", True),
        ("NumericEquals", "5", 5, True),
        ("NumericEquals", 5, "5.0", True),
        ("NumericNotEquals", "5", 6, True),
        ("NumericLessThan", "5", 4, True),
        ("NumericLessThan", "5", 5, False),
        ("NumericLessThanEquals", "5", 5, True),
        ("NumericGreaterThan", "5", 5, False),
        ("NumericGreaterThanEquals", "5", 5, True),
        ("NumericEquals", "5", "five", False),
        ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
        ("DateNotEquals", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", True),
        ("DateLessThan", "2026-06-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("DateLessThanEquals", "2026-06-01", "2026-06-01T00:00:00Z", True),
        ("DateGreaterThan", "1767225600", "2026-01-01T00:00:01Z", True),
        ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", False),
        ("Bool", "true", True, True),
        ("Bool", "true", "TRUE", True),
        ("Bool", True, False, False),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", True),
        ("BinaryEquals", "QmluYXJ5", "qmluYXJ5", False),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
        ("IpAddress", "10.1.2.3", "10.1.2.3", True),
        ("IpAddress", "10.0.0.0/8", "11.1.2.3", False),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
        ("IpAddress", "10.0.0.0/8", "2001:db8::1", False),
        ("NotIpAddress", "10.0.0.0/8", "11.1.2.3", True),
        ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
        ("ArnEquals", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", True),
        ("ArnLike", "arn:aws:bedrock:*:1:job/*", "arn:aws:bedrock:us-east-1:1:job/x", True),
        ("ArnLike", "arn:aws:bedrock:*:job/*", "arn:aws:bedrock:us-east-1:1:job/x", False),
        ("ArnLike", "*", "arn:aws:s3:::bucket", False),
        ("ArnNotEquals", "arn:aws:s3:::b", "arn:aws:s3:::c", True),
        ("ArnNotLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", False),
    ],
)
def test_an_operator_compares_as_documented(operator: str, wanted: Any, value: Any, holds: bool) -> None:
    assert allowed({operator: {KEY: wanted}}, {KEY: value}) is holds


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringNotLike", True),
        ("NotIpAddress", True),
        ("NumericLessThan", False),
        ("Bool", False),
        ("StringEqualsIfExists", True),
        ("BoolIfExists", True),
        ("StringNotEqualsIfExists", True),
    ],
)
def test_a_missing_key_fails_what_is_positive_and_satisfies_what_is_negated(operator: str, holds: bool) -> None:
    wanted = {"NotIpAddress": "10.0.0.0/8", "NumericLessThan": "5"}.get(operator, "true")
    assert allowed({operator: {KEY: wanted}}, {}) is holds


@pytest.mark.parametrize(
    ("wanted", "context", "holds"),
    [
        ("true", {}, True),
        ("true", {KEY: "x"}, False),
        ("false", {KEY: "x"}, True),
        (False, {}, False),
    ],
)
def test_null_asks_whether_a_key_is_missing(wanted: Any, context: dict[str, Any], holds: bool) -> None:
    assert allowed({"Null": {KEY: wanted}}, context) is holds


@pytest.mark.parametrize(
    ("operator", "wanted", "values", "holds"),
    [
        ("ForAnyValue:StringEquals", ["a", "b"], MANY, True),
        ("ForAnyValue:StringEquals", ["b"], MANY, False),
        ("ForAnyValue:StringEquals", ["a"], [], False),
        ("ForAllValues:StringEquals", ["a", "b"], MANY, False),
        ("ForAllValues:StringEquals", ["a", "z", "b"], MANY, True),
        ("ForAllValues:StringEquals", ["a"], [], True),
        ("ForAllValues:StringEquals", ["a"], None, True),
        ("ForAnyValue:StringNotEquals", ["a"], MANY, True),
        ("ForAllValues:StringNotEquals", ["b"], MANY, True),
        ("ForAllValues:StringLike", ["a*", "z*"], MANY, True),
        ("ForAnyValue:StringEqualsIfExists", ["a"], None, False),
    ],
)
def test_set_operators_look_at_every_value(operator: str, wanted: list[str], values: Any, holds: bool) -> None:
    context = {} if values is None else {KEY: values}
    assert allowed({operator: {KEY: wanted}}, context) is holds


def test_every_key_and_every_operator_must_hold() -> None:
    both = {"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}}
    assert allowed(both, {"a": "1", "b": "2", "c": True})
    assert not allowed(both, {"a": "1", "b": "3", "c": True})
    assert not allowed(both, {"a": "1", "b": "2", "c": False})


def test_keys_are_known_whatever_their_case() -> None:
    assert allowed({"StringEquals": {"AWS:UserName": "bob"}}, {"aws:username": "bob"})


@pytest.mark.parametrize(
    ("wanted", "value", "holds"),
    [
        ("${aws:username}", "bob", True),
        ("x-${aws:username}-y", "x-bob-y", True),
        ("${aws:nobody}", "bob", False),
        ("${aws:nobody, 'bob'}", "bob", True),
        ("${*}", "*", True),
        ("${*}", "b", False),
        ("a${?}", "a?", True),
        ("${$}", "$", True),
    ],
)
def test_variables_stand_for_what_the_request_tells(wanted: str, value: str, holds: bool) -> None:
    assert allowed({"StringLike": {KEY: wanted}}, {KEY: value, "aws:username": "bob"}) is holds


def test_a_star_in_a_variables_value_is_no_wildcard() -> None:
    condition = {"StringLike": {KEY: "${aws:username}"}}
    assert not allowed(condition, {KEY: "bob", "aws:username": "*"})
    assert allowed(condition, {KEY: "*", "aws:username": "*"})


def test_an_old_version_knows_no_variables() -> None:
    condition = {"StringEquals": {KEY: "${aws:username}"}}
    assert not allowed(condition, {KEY: "bob", "aws:username": "bob"}, version="2008-10-17")
    assert allowed(condition, {KEY: "${aws:username}"}, version="2008-10-17")


def test_an_address_that_cannot_be_read_equals_nothing() -> None:
    assert not allowed({"IpAddress": {KEY: "10.0.0.0/8"}}, {KEY: "not-an-address"})
