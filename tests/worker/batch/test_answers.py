"""What is kept is read back in order by whoever takes the job over, and nothing else is."""

from pathlib import Path

import pytest

from outcrop.domain.errors import SealBroken
from outcrop.sealed import new_key
from outcrop.worker.batch.answers import Answers, Position

KEY = new_key()


def answers(folder: Path, fence: int) -> Answers:
    made = Answers(job_id="j0b", folder=folder / "answers" / str(fence), key=KEY)
    made.take_over()
    return made


def test_the_next_attempt_goes_on_behind_what_counts_and_throws_the_rest_away(tmp_path: Path) -> None:
    first = answers(tmp_path, 1)
    for number in range(3):
        first.write(0, number, f"a{number};".encode())
    first.write(1, 0, b"b0;")
    second = answers(tmp_path, 4)
    assert second.reach(Position(file=0, offset=9, line=2, segments=2))
    assert b"".join(second.pieces(0)) == b"a0;a1;"
    assert second.count(1) == 0
    second.write(0, 2, b"again;")
    assert b"".join(second.pieces(0)) == b"a0;a1;again;"


def test_an_attempt_that_lost_its_lease_writes_where_nobody_reads(tmp_path: Path) -> None:
    lost = answers(tmp_path, 1)
    lost.write(0, 0, b"kept")
    now = answers(tmp_path, 2)
    with pytest.raises(FileNotFoundError):
        lost.write(0, 1, b"late")
    assert b"".join(now.pieces(0)) == b"kept"


def test_a_segment_that_is_gone_is_noticed(tmp_path: Path) -> None:
    first = answers(tmp_path, 1)
    first.write(0, 1, b"the second")
    assert not answers(tmp_path, 2).reach(Position(segments=2))


def test_a_segment_in_anothers_place_is_refused(tmp_path: Path) -> None:
    kept = answers(tmp_path, 1)
    kept.write(0, 0, b"first")
    kept.write(0, 1, b"second")
    (kept.folder / "000000-000000001").rename(kept.folder / "000000-000000000")
    with pytest.raises(SealBroken):
        list(kept.pieces(0))
