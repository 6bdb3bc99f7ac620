"""Patterns: what they match, and how many steps that may take at most."""

import fnmatch
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop.policy import globs


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "anything at all", True),
        ("a*", "a", True),
        ("a*", "ba", False),
        ("*a", "ba", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("?", "", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-b-b", False),
        ("**", "ab", True),
        ("*?*", "", False),
        ("a**b", "ab", True),
        ("[ab]", "a", False),
        ("A", "a", False),
    ],
)
def test_a_pattern_matches_the_whole_value(pattern: str, value: str, matches: bool) -> None:
    assert globs.matches(pattern, value) is matches


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=16))
def test_every_pattern_matches_what_a_regular_expression_would(pattern: str, value: str) -> None:
    assert globs.matches(pattern, value) is fnmatch.fnmatchcase(value, pattern)


class _Counting(Sequence[str]):
    """A value that counts how often it is looked at."""

    def __init__(self, text: str) -> None:
        self.text, self.looks = text, 0

    def __getitem__(self, place):  # type: ignore[no-untyped-def, override]
        self.looks += 1
        return self.text[place]

    def __len__(self) -> int:
        return len(self.text)


def _steps(pattern: str, value: str) -> int:
    counted = _Counting(value)
    globs.matches_atoms(globs.cut(pattern), counted)
    return counted.looks


@given(st.text("ab*?", max_size=40), st.text("ab", max_size=80))
def test_a_match_takes_at_most_pattern_times_value_steps(pattern: str, value: str) -> None:
    assert _steps(pattern, value) <= (len(pattern) + 1) * (len(value) + 1)


def test_many_stars_cost_no_more_than_one() -> None:
    assert _steps("a*" * 50 + "b", "a" * 1000) <= 3 * 1000


def test_the_pattern_that_is_exponential_as_a_regular_expression_is_not() -> None:
    assert _steps("*a" * 100 + "*b", "a" * 1000) <= 3 * 1000
