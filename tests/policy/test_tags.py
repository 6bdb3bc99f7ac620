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
