"""A key tells its alias to anyone, and its secret to nobody who keeps its digest."""

import base64

import pytest

from outcrop.domain import api_key

KEY = api_key.spell("ada+0a1b2c3d-at-123456789012", "s" * 44)


def test_a_key_tells_its_alias() -> None:
    assert KEY.startswith("ABSK")
    assert api_key.alias_of(KEY) == "ada+0a1b2c3d-at-123456789012"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ABSK",
        "ABSK!!!!",
        "ABSKé",
        KEY.removeprefix("ABSK"),
        KEY[:-1],
        KEY + "A" * 512,
        "ABSK" + base64.b64encode(b"no colon").decode(),
        "ABSK" + base64.b64encode(b"\xff\xfe:x").decode(),
    ],
)
def test_what_has_not_the_form_has_no_alias(text: str) -> None:
    assert api_key.alias_of(text) is None


def test_a_digest_is_of_the_whole_key() -> None:
    other = api_key.spell("ada+0a1b2c3d-at-123456789012", "s" * 43 + "t")
    assert len(api_key.digest(KEY)) == 32
    assert api_key.digest(KEY) != api_key.digest(other)
