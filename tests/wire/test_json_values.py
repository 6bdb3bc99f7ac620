"""JSON bodies: read strictly as JSON and liberally as shapes, written as modelled."""

from datetime import UTC, datetime

import pytest

from outcrop import wire
from outcrop.domain.errors import Fault
from outcrop.wire.json_values import decode_json


@pytest.mark.parametrize("raw", [b"", b"  \n"])
def test_no_body_is_an_empty_object(raw: bytes) -> None:
    assert decode_json(raw) == {}


@pytest.mark.parametrize("raw", [b"{", b"NaN", b'{"a":1e999}', b"\xff", b'"\\ud800"', b"[" * 100_000, b"{} {}"])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(Fault) as caught:
        decode_json(raw)
    assert caught.value.code == "SerializationException"


def test_null_is_no_value_and_unknown_members_are_dropped() -> None:
    operation = wire.service("kms").operation("CreateKey")
    match = wire.Match(operation=operation, uri={})
    raw = b'{"Description":null,"Nonsense":1,"Tags":[{"TagKey":"a","TagValue":"b","x":1}]}'
    assert wire.parse(operation, match, (), {}, raw) == {"Tags": [{"TagKey": "a", "TagValue": "b"}]}


def test_kms_writes_seconds_and_bedrock_iso_8601() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    described = wire.serialize(
        wire.service("kms").operation("DescribeKey"), {"KeyMetadata": {"KeyId": "k", "CreationDate": moment}}, "r"
    )
    assert described.body == b'{"KeyMetadata":{"KeyId":"k","CreationDate":1767323045.0}}'
    got = wire.serialize(wire.service("bedrock").operation("GetCustomModel"), {"creationTime": moment}, "r")
    assert got.body == b'{"creationTime":"2026-01-02T03:04:05Z"}'


def test_a_member_that_the_model_lacks_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="modelname"):
        wire.serialize(wire.service("bedrock").operation("GetCustomModel"), {"modelname": "x"}, "r")
    with pytest.raises(AssertionError, match="nonsense"):
        wire.serialize(wire.service("kms").operation("ListKeys"), {"Keys": [{"nonsense": 1}]}, "r")


def test_a_datetime_without_a_zone_is_our_mistake() -> None:
    naive = datetime(2026, 1, 2)  # the mistake itself
    with pytest.raises(AssertionError, match="aware"):
        wire.serialize(wire.service("bedrock").operation("GetCustomModel"), {"creationTime": naive}, "r")
