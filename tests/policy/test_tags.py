"""Tags as conditions see them: by kind and key, whatever the key's case."""

from typing import Any

import pytest

from outcrop.policy import PRINCIPAL, RESOURCE, AccessRequest, evaluate, tag_facts


def decided(context: dict[str, Any], condition: dict[str, Any], effect: str = "Allow") -> bool:
    said = {"Effect": effect, "Action": "*", "Resource": "*", "Condition": condition}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    statements = [said] if effect == "Allow" else [everything, said]
    asked = AccessRequest(action="a:b", resource="r", context=context)
    return evaluate(asked, identity=[{"Version": "2012-10-17", "Statement": statements}]).allowed


def test_a_tag_is_a_fact_of_each_kind() -> None:
    assert tag_facts({"Team": "red"}, RESOURCE, PRINCIPAL) == {
        "aws:ResourceTag/team": "red",
        "aws:PrincipalTag/team": "red",
    }
    assert tag_facts({}, RESOURCE) == {}


def test_a_tag_can_stand_in_a_policy_as_a_variable() -> None:
    own = {"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/team}"}}
    red = tag_facts({"team": "red"}, PRINCIPAL)
    assert decided({**red, **tag_facts({"team": "red"}, RESOURCE)}, own)
    assert not decided({**red, **tag_facts({"team": "blue"}, RESOURCE)}, own)
    assert not decided(red, own)


@pytest.mark.parametrize("value", ["red", "blue"])
def test_a_key_spelled_in_two_ways_hides_neither_value_from_a_denial(value: str) -> None:
    both = tag_facts({"team": "red", "Team": "blue"}, RESOURCE)
    assert not decided(both, {"StringEquals": {"aws:ResourceTag/team": value}}, effect="Deny")


BOTH = {"team": "blue", "Team": "red"}
TEAM, OWN = "aws:ResourceTag/team", "aws:PrincipalTag/team"


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {TEAM: "red"}},
        {"StringNotEquals": {TEAM: "blue"}},
        {"StringNotEqualsIfExists": {TEAM: "red"}},
        {"ForAllValues:StringNotEquals": {TEAM: "red"}},
        {"ForAnyValue:StringEquals": {TEAM: "red"}},
        {"StringEquals": {OWN: "${aws:ResourceTag/Team}"}},
        {"StringEquals": {TEAM: "red"}, "StringLike": {TEAM: "blu*"}},
    ],
)
def test_of_a_key_spelled_in_two_ways_a_denial_needs_one_value_and_an_allowance_each(condition: dict[str, Any]) -> None:
    facts = {**tag_facts(BOTH, RESOURCE), **tag_facts({"team": "red"}, PRINCIPAL)}
    assert not decided(facts, condition, effect="Deny")
    assert not decided(facts, condition)


def test_what_fits_each_value_is_allowed_and_what_fits_none_is_not_denied() -> None:
    facts = tag_facts(BOTH, RESOURCE)
    assert decided(facts, {"StringEquals": {TEAM: ["red", "blue"]}})
    assert decided(facts, {"StringEquals": {TEAM: "green"}}, effect="Deny")


def test_a_key_spelled_in_two_ways_counts_in_the_resources_of_a_denial_too() -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    said = {"Effect": "Deny", "Action": "*", "Resource": "${aws:PrincipalTag/team}/*"}
    policy = {"Version": "2012-10-17", "Statement": [everything, said]}
    for team, allowed in (("red", False), ("blue", False), ("green", True)):
        asked = AccessRequest(action="a:b", resource=f"{team}/x", context=tag_facts(BOTH, PRINCIPAL))
        assert evaluate(asked, identity=[policy]).allowed is allowed


def test_where_there_are_too_many_readings_a_denial_is_heard_and_an_allowance_is_not() -> None:
    tags = {key: key for letter in "abcdefg" for key in (letter, letter.upper())}
    every = {"StringEquals": {OWN: [f"${{{RESOURCE}/{letter}}}" for letter in "abcdefg"]}}
    facts = {**tag_facts(tags, RESOURCE), **tag_facts({"team": "z"}, PRINCIPAL)}
    assert not decided(facts, every)
    assert not decided(facts, every, effect="Deny")
