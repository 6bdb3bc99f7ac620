"""XML is read without XML's dangers."""

import pytest

from outcrop.domain.errors import Fault
from outcrop.wire.xml_tree import read_xml

_BOMB = b'<!DOCTYPE a [<!ENTITY b "cccc"><!ENTITY d "&b;&b;&b;">]><a>&d;</a>'
_FETCH = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


def test_names_lose_their_namespaces_and_texts_keep_their_spaces() -> None:
    root = read_xml(b'<a xmlns="urn:x" xmlns:y="urn:y"><y:b y:c="1"> t\n</y:b><d/>&lt;</a>')
    assert (root.name, root.text) == ("a", "<")
    assert [(child.name, child.attributes, child.text) for child in root.children] == [
        ("b", {"c": "1"}, " t\n"),
        ("d", {}, ""),
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<a>",
        b"text",
        b"<a></b>",
        b"<a>&nothing;</a>",
        b"<a/><b/>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="klingon"?><a/>',
        b"<a>" * 33 + b"</a>" * 33,
        _BOMB,
        _FETCH,
        b"<!DOCTYPE a><a/>",
    ],
)
def test_what_is_malformed_too_deep_or_declares_a_type_is_refused(raw: bytes) -> None:
    with pytest.raises(Fault) as caught:
        read_xml(raw)
    assert caught.value.code == "MalformedXML"


def test_a_depth_that_documents_need_is_read() -> None:
    assert read_xml(b"<a>" * 32 + b"</a>" * 32).name == "a"
