"""Amounts read as people say them."""

import pytest

from outcrop.domain.amounts import duration, gigabytes


@pytest.mark.parametrize(
    ("seconds", "said"), [(8.4, "8 s"), (99.4, "99 s"), (180, "3 min"), (5940, "99 min"), (7500, "2 h 05 min")]
)
def test_a_time_is_said_in_the_unit_that_reads_best(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_sizes_are_said_in_gigabytes() -> None:
    assert gigabytes(1_834_000_000) == "1.8 GB" and gigabytes(1.2e12) == "1,200.0 GB"
