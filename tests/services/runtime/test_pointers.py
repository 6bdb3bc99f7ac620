"""JSON pointers into an answer."""

import pytest

from outcrop.domain.errors import ValidationException
from outcrop.services.runtime.pointers import check_pointers, pointed


def test_what_is_there_comes_under_its_place() -> None:
    body = {"a": {"b": [1, {"c": 2}]}, "x/y": {"~": 3}}
    assert pointed(body, ["/a/b/1/c"]) == {"a": {"b": {"1": {"c": 2}}}}
    assert pointed(body, ["/x~1y/~0"]) == {"x/y": {"~": 3}}


def test_what_is_not_there_is_left_out() -> None:
    assert pointed({"a": [1]}, ["/b", "/a/7", "/a/x", "/a/0/z"]) == {}


def test_a_pointer_inside_what_has_come_already_adds_nothing() -> None:
    assert pointed({"a": {"b": {"c": 1}}, "t": "x"}, ["/a/b/c", "/t"]) == {"a": {"b": {"c": 1}}, "t": "x"}


@pytest.mark.parametrize("path", ["", "a", "/a~", "/a~2b"])
def test_what_is_no_pointer_is_refused(path: str) -> None:
    with pytest.raises(ValidationException, match="JSON pointer"):
        check_pointers([path])
