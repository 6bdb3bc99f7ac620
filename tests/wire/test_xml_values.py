"""Texts survive XML, and what XML cannot carry does no harm."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop import wire
from outcrop.domain.errors import Fault
from outcrop.wire.xml_values import escape

_CARRIED = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]) | st.sampled_from("\t\r\n"))


@given(_CARRIED)
def test_any_text_that_xml_can_carry_comes_back(text: str) -> None:
    assert (ElementTree.fromstring(f"<a>{escape(text)}</a>").text or "") == text  # our own text


@given(st.text(st.characters()))
def test_no_text_breaks_the_document(text: str) -> None:
    ElementTree.fromstring(f"<a>{escape(text)}</a>")  # our own text


def test_s3s_answers_have_the_roots_and_the_namespace_of_s3() -> None:
    operation = wire.service("s3").operation("ListObjectsV2")
    body = wire.serialize(operation, {"Name": "b", "Contents": [{"Key": "k"}, {"Key": "l"}]}, "r").body
    assert body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Contents><Key>k</Key></Contents><Contents><Key>l</Key></Contents><Name>b</Name></ListBucketResult>"
    )


def test_a_body_with_another_root_is_malformed() -> None:
    operation = wire.service("s3").operation("DeleteObjects")
    match = wire.Match(operation=operation, uri={"Bucket": "b"})
    with pytest.raises(Fault) as caught:
        wire.parse(operation, match, (), {}, b"<Tagging><Object><Key>k</Key></Object></Tagging>")
    assert caught.value.code == "MalformedXML"


def test_a_bodyless_create_bucket_has_no_configuration() -> None:
    operation = wire.service("s3").operation("CreateBucket")
    assert wire.parse(operation, wire.Match(operation=operation, uri={"Bucket": "b"}), (), {}, b"") == {"Bucket": "b"}
