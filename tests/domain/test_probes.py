"""Probes come back from their file as they were."""

import pytest

from outcrop.domain.probes import Probe, Probes

PROBE = Probe(tokens=(1, 5, 9, 2), prompt=2, base=({5: -0.1, 7: -2.5}, {9: -1.0}), model=({5: -0.25}, {9: -3.0}))


def test_probes_are_the_same_after_their_file() -> None:
    assert Probes.from_json(Probes(rows=(PROBE, PROBE)).to_json()) == Probes(rows=(PROBE, PROBE))


def test_the_scored_part_ends_where_the_answers_do() -> None:
    assert PROBE.scored == (1, 5, 9)


@pytest.mark.parametrize("content", [b"{}", b"not json", b'{"rows": [{"tokens": [1]}]}'])
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        Probes.from_json(content)
