"""A prepared set opens under its own key, job, digest and name, and for nobody else."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from outcrop.domain.errors import SealBroken
from outcrop.domain.row_statistics import RowStatistics
from outcrop.prepared.folder import PreparedFolder, RowNumbers, sha256
from outcrop.prepared.manifest import Manifest, PieceNote
from outcrop.sealed import new_key

PIECES = (b"the first piece", b"the second")
NUMBERS = RowNumbers(*(np.array(numbers, dtype="<u4") for numbers in ([4, 5, 6], [1, 2, 3], [3, 4, 5])))
MANIFEST = Manifest(
    rows=3,
    tokens=15,
    trained_tokens=6,
    longest=6,
    statistics=RowStatistics(),
    truncated_rows=0,
    skipped_rows=0,
    empty_answers=0,
    index_sha256=sha256(NUMBERS.to_bytes()),
    pieces=tuple(PieceNote(rows=1, size=len(piece), sha256=sha256(piece)) for piece in PIECES),
)


@pytest.fixture
def folder(tmp_path: Path) -> PreparedFolder:
    made = PreparedFolder(tmp_path / "work" / "digest", "job000000001", new_key())
    for number, piece in enumerate(PIECES):
        made.write_piece(number, piece)
    made.finish(MANIFEST, NUMBERS)
    return made


def test_a_set_is_whole_while_every_file_of_it_is(folder: PreparedFolder) -> None:
    checks: list[None] = []
    assert folder.is_whole(lambda: checks.append(None))
    assert len(checks) == len(PIECES)
    for path in sorted(folder.path.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert not folder.is_whole(lambda: None), path.name
        path.unlink()
        assert not folder.is_whole(lambda: None), path.name
        path.write_bytes(content)
    assert folder.is_whole(lambda: None)


def test_what_was_written_comes_back(folder: PreparedFolder) -> None:
    manifest = folder.manifest()
    assert manifest == MANIFEST
    assert [folder.noted_piece(number, manifest) for number in (0, 1)] == list(PIECES)
    assert folder.numbers(manifest).to_bytes() == NUMBERS.to_bytes()
    assert sorted(path.name for path in folder.path.iterdir()) == ["index", "manifest", "piece-000000", "piece-000001"]


def test_no_file_shows_what_it_holds_or_is_open_to_others(folder: PreparedFolder) -> None:
    assert folder.path.stat().st_mode & 0o077 == 0
    for path in folder.path.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert b"piece" not in path.read_bytes()
    assert str(folder.key) not in repr(folder)


def test_another_key_job_or_digest_opens_nothing(folder: PreparedFolder, tmp_path: Path) -> None:
    moved = tmp_path / "another digest"
    shutil.copytree(folder.path, moved)
    for stranger in (
        PreparedFolder(folder.path, folder.job_id, new_key()),
        PreparedFolder(folder.path, "job000000002", folder.key),
        PreparedFolder(moved, folder.job_id, folder.key),
    ):
        with pytest.raises(SealBroken):
            stranger.manifest()
        with pytest.raises(SealBroken):
            stranger.numbers(MANIFEST)
        with pytest.raises(SealBroken):
            stranger.read_piece(0)


def test_pieces_in_another_order_are_refused(folder: PreparedFolder) -> None:
    first, second = folder.path / "piece-000000", folder.path / "piece-000001"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    for number in (0, 1):
        with pytest.raises(SealBroken):
            folder.read_piece(number)


def test_a_piece_or_an_index_of_another_preparation_is_refused(folder: PreparedFolder) -> None:
    folder.write_piece(1, b"sealed as it should be, and not what the manifest names")
    with pytest.raises(ValueError, match="not those that their manifest names"):
        folder.noted_piece(1, MANIFEST)
    folder.finish(MANIFEST, RowNumbers(NUMBERS.counts, NUMBERS.counts, NUMBERS.ends))
    with pytest.raises(ValueError, match="not those that their manifest names"):
        folder.numbers(MANIFEST)


def test_a_manifest_of_another_form_is_refused() -> None:
    for content in (b"{}", b"not json", MANIFEST.to_json().replace(b'"rows":3', b'"rows":"3"')):
        with pytest.raises(ValueError):
            Manifest.from_json(content)
