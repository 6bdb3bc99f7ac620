"""Documents: what is read, and what is refused with its place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.domain.errors import Fault
from outcrop.policy import Purpose, parse

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def document(*statements: Any, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **more}


def statement(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ALLOW, **changes}.items() if value is not None}


def test_a_document_is_read_from_text_and_from_a_dict_alike() -> None:
    assert parse(json.dumps(document(ALLOW))) == parse(document(ALLOW))


def test_a_single_statement_needs_no_list() -> None:
    assert parse({"Version": "2012-10-17", "Statement": ALLOW}) == parse(document(ALLOW))


def test_a_document_without_a_version_is_an_old_one() -> None:
    assert parse({"Statement": ALLOW}).version == "2008-10-17"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("not json", "not JSON"),
        ('{"Version": "2012-10-17",}', "line 1, column"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "must be a JSON object"),
        (document(ALLOW, Extra=1), "unknown element 'Extra'"),
        ({"Version": "2013", "Statement": ALLOW}, "Version must be one of"),
        ({"Version": "2012-10-17"}, "Statement must be"),
        (document(), "at least one"),
        (document("x"), "statement 1 must be an object"),
        (document(ALLOW, statement(Effect="allow")), "statement 2: Effect must be Allow or Deny"),
        (document(statement(Action=None)), "statement 1 has no Action or NotAction"),
        (document(statement(NotAction="s3:*")), "both Action and NotAction"),
        (document(statement(Action=[])), "statement 1: Action must be a string or a list of strings"),
        (document(statement(Action=[1])), "statement 1: Action must be"),
        (document(statement(Action="GetObject")), "'GetObject' must be '*' or look like"),
        (document(statement(Action="s3:")), "'s3:' must be '*' or look like"),
        (document(statement(Resource="bucket/key")), "'bucket/key' must be an ARN or '*'"),
        (document(statement(NotResource="*")), "both Resource and NotResource"),
        (document(statement(Resorce="*")), "unknown element 'Resorce'"),
        (document(statement(Sid=1)), "Sid must be a string"),
        (document(statement(Sid="a"), statement(Sid="a")), "'a' is used by more than one"),
        (document(statement(Principal={})), "Principal must be '*' or an object"),
        (document(statement(Principal="arn:aws:iam::1:root")), "Principal must be '*' or an object"),
        (document(statement(Principal={"User": "x"})), "unknown element 'User'"),
        (document(statement(Principal={"AWS": 5})), "Principal AWS must be"),
        (document(statement(Condition=[])), "Condition must be an object"),
        (document(statement(Condition={"StringEquals": "x"})), "StringEquals must be an object"),
        (document(statement(Condition={"StringSame": {"a": "b"}})), "no operator 'StringSame'"),
        (document(statement(Condition={"ForSome:StringEquals": {"a": "b"}})), "no operator"),
        (document(statement(Condition={"NullIfExists": {"a": "true"}})), "no operator"),
        (document(statement(Condition={"NumericEquals": {"a": "many"}})), "cannot read the value 'many'"),
        (document(statement(Condition={"DateLessThan": {"a": "soon"}})), "cannot read the value 'soon'"),
        (document(statement(Condition={"IpAddress": {"a": "10.0.0.0/99"}})), "cannot read the value"),
        (document(statement(Condition={"Bool": {"a": "yes"}})), "cannot read the value 'yes'"),
        (document(statement(Condition={"StringEquals": {"a": {}}})), "must be a value or a list"),
    ],
)
def test_a_broken_document_is_refused_with_its_place(broken: Any, said: str) -> None:
    with pytest.raises(Fault) as refused:
        parse(broken)
    assert refused.value.code == "MalformedPolicyDocument"
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("purpose", "changes", "said"),
    [
        (Purpose.IDENTITY, {"Principal": "*"}, "has a Principal"),
        (Purpose.IDENTITY, {"Resource": None}, "no Resource"),
        (Purpose.TRUST, {"Resource": None}, "no Principal"),
        (Purpose.TRUST, {"Principal": "*"}, "has a Resource"),
        (Purpose.RESOURCE, {}, "no Principal"),
        (Purpose.RESOURCE, {"Principal": "*", "Resource": None}, "no Resource"),
    ],
)
def test_a_document_must_fit_where_it_hangs(purpose: Purpose, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Fault, match=said):
        parse(document(statement(**changes)), purpose)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_ELEMENTS = st.dictionaries(
    st.sampled_from(["Sid", "Effect", "Action", "Resource", "Principal", "NotPrincipal", "Condition"]), _JSON
)


@given(st.builds(lambda parts, base: {"Statement": {**base, **parts}}, _ELEMENTS, st.sampled_from([{}, ALLOW])))
def test_nonsense_is_refused_and_never_breaks(nonsense: dict[str, Any]) -> None:
    try:
        parse(nonsense)
    except Fault as fault:
        assert fault.code == "MalformedPolicyDocument"
