"""Forms are read as clients write them, and ambiguous ones refused."""

from typing import Any

import pytest

from outcrop import wire
from outcrop.domain.errors import Fault


def _parsed(name: str, form: bytes) -> dict[str, Any]:
    service = wire.service("iam")
    match = service.match("POST", "/", (), {}, form)
    assert match is not None
    assert match.operation.name == name
    return wire.parse(match.operation, match, (), {}, form)


def test_lists_of_structures_are_put_in_the_order_of_their_numbers() -> None:
    form = b"Action=CreateUser&UserName=u&Tags.member.10.Key=c&"
    form += b"Tags.member.2.Key=b&Tags.member.1.Key=a&Tags.member.1.Value=%20+"
    tags = [{"Key": "a", "Value": "  "}, {"Key": "b"}, {"Key": "c"}]
    assert _parsed("CreateUser", form) == {"UserName": "u", "Tags": tags}


def test_an_empty_list_is_an_empty_list() -> None:
    assert _parsed("CreateUser", b"Action=CreateUser&UserName=u&Tags=") == {"UserName": "u", "Tags": []}


def test_the_action_may_stand_in_the_query_string() -> None:
    match = wire.service("sts").match("GET", "/", [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")], {}, b"")
    assert match is not None
    assert match.operation.name == "GetCallerIdentity"


@pytest.mark.parametrize(
    "form",
    [
        b"Action=CreateUser&UserName=a&UserName=b",
        b"Action=CreateUser&UserName=a&UserName.b=c",
        b"Action=CreateUser&UserName.b=c&UserName=a",
        b"Action=CreateUser&UserName=%ff",
        b"Action=CreateUser&UserName=\xff",
        b"Action=CreateUser" + b"&a=b" * 10_001,
    ],
)
def test_ambiguous_or_undecodable_forms_are_refused(form: bytes) -> None:
    with pytest.raises(Fault) as caught:
        _parsed("CreateUser", form)
    assert caught.value.code == "MalformedQueryString"


@pytest.mark.parametrize("field", [b"Tags=x", b"Tags.member.x.Key=k", b"Tags.member.1=x", b"Tags.x=1", b"UserName.x=1"])
def test_fields_of_the_wrong_kind_are_named(field: bytes) -> None:
    with pytest.raises(Fault) as caught:
        wire.constrain(
            wire.service("iam").operation("CreateUser"), _parsed("CreateUser", b"Action=CreateUser&" + field)
        )
    assert caught.value.code == "ValidationError"
    assert field.split(b".")[0].split(b"=")[0].decode() in caught.value.message
