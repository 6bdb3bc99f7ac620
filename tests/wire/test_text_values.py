"""Single values as text: read liberally, written as each protocol wants them, never refused by the reader."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcrop import wire
from outcrop.wire.text_values import epoch_seconds, http_date, iso8601, read_blob, read_timestamp, text_reader

_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000Z",
        "2026-01-02T04:04:05+01:00",
        "2026-01-02T03:04:05",
        "Fri, 02 Jan 2026 03:04:05 GMT",
        "1767323045",
        "1767323045.0",
        1767323045,
        1767323045.0,
    ],
)
def test_every_form_of_a_timestamp_is_the_same_moment(written: Any) -> None:
    assert read_timestamp(written) == _MOMENT
    assert read_timestamp(written).tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    ["", "tomorrow", "2026-13-45", "Fri, 99 Foo 2026", "9" * 30, 1e30, True, [], "0001-01-01T00:00:00+14:00", "1e400"],
)
def test_what_is_no_timestamp_stays_what_it_was(written: Any) -> None:
    assert read_timestamp(written) is written


@given(st.text())
def test_no_text_makes_a_reader_fail(text: str) -> None:
    shape = wire.service("s3").operation("PutObject").model.input_shape
    for member in shape.members.values():
        text_reader(member)(text)


@pytest.mark.parametrize("text", ["abc", "é", "a===", "AA==\n"])
def test_broken_base64_stays_text(text: str) -> None:
    assert read_blob(text) == text


def test_moments_are_written_in_each_form_from_any_zone() -> None:
    moment = datetime(2026, 1, 2, 4, 4, 5, 678_900, tzinfo=timezone(timedelta(hours=1)))
    assert iso8601(moment) == "2026-01-02T03:04:05.678Z"
    assert http_date(moment) == "Fri, 02 Jan 2026 03:04:05 GMT"
    assert epoch_seconds(moment) == 1767323045.679
