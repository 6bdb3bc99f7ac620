"""Prepared rows train exactly as rows in memory do, in bounded memory, and damage is said."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from outcrop.domain.errors import JobFailure
from outcrop.prepared.folder import PreparedFolder, RowNumbers, sha256
from outcrop.prepared.manifest import Manifest, PieceNote
from outcrop.prepared.piece import Piece, Span, piece_of
from outcrop.sealed import new_key
from outcrop.text import Rendered
from outcrop.training.batches import Rows
from outcrop.training.sources import PieceBuffer, PreparedRows
from outcrop.training.vault import read_token_rows

JOB = "job000000001"
NOWHERE = Span(first_line=1, lines=0, start=0, end=0)


def some_rows(count: int) -> list[Rendered]:
    random = np.random.default_rng(5)
    lengths = random.integers(3, 30, count)
    return [
        Rendered(random.integers(0, 60, length).tolist(), [False, *([True] * (length - 2)), bool(length % 2)])
        for length in lengths.tolist()
    ]


def prepared(path: Path, rows: Sequence[Rendered], a_piece: int, key: bytes) -> PreparedFolder:
    folder = PreparedFolder(path, JOB, key)
    pieces = [piece_of(rows[start : start + a_piece], NOWHERE) for start in range(0, len(rows), a_piece)]
    contents = [piece.to_bytes() for piece in pieces]
    for number, content in enumerate(contents):
        folder.write_piece(number, content)
    numbers = RowNumbers.joined([RowNumbers(piece.lengths, piece.counts, piece.ends) for piece in pieces])
    folder.finish(manifest_of(pieces, contents, numbers), numbers)
    return folder


def manifest_of(pieces: Sequence[Piece], contents: Sequence[bytes], numbers: RowNumbers) -> Manifest:
    return Manifest(
        rows=len(numbers.counts),
        tokens=int(numbers.lengths.sum()),
        trained_tokens=int(numbers.counts.sum()),
        longest=int(numbers.lengths.max(initial=0)),
        statistics=numbers.statistics(),
        truncated_rows=0,
        skipped_rows=0,
        empty_answers=0,
        index_sha256=sha256(numbers.to_bytes()),
        pieces=tuple(
            PieceNote(rows=len(piece), size=len(content), sha256=sha256(content))
            for piece, content in zip(pieces, contents, strict=True)
        ),
    )


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("wanted", "targets")) and torch.equal(
        one.packed.tokens, other.packed.tokens
    )


@pytest.mark.parametrize("limit", [1 << 20, 2000], ids=["all fits", "a few pieces fit"])
def test_batches_from_the_cache_are_those_from_memory(
    limit: int, tmp_path: Path, make_rows: Callable[[Sequence[Rendered]], Rows]
) -> None:
    rows = some_rows(120)
    held = make_rows(rows)
    key = new_key()
    cached = Rows(read_token_rows(prepared(tmp_path / "set", rows, 11, key).path, JOB, key, PieceBuffer(limit)))
    for name in ("lengths", "counts"):
        assert getattr(cached, name).tolist() == getattr(held, name).tolist()
    order = cached.order(3, 1)
    if limit == 1 << 20:
        assert order.tolist() == held.order(3, 1).tolist()
    for mine, theirs in zip(cached.batches(order, 7), held.batches(order.tolist(), 7), strict=True):
        assert mine == theirs
        for one, other in zip(cached.pieces(mine), held.pieces(theirs), strict=True):
            assert same(one, other) and one.packed.lengths == other.packed.lengths


def test_the_buffer_never_holds_more_than_its_limit(tmp_path: Path) -> None:
    rows, key = some_rows(200), new_key()
    buffer = PieceBuffer(3000)
    source = PreparedRows(prepared(tmp_path / "set", rows, 10, key), buffer)
    most = 0
    for at in [*source.order(0, 0).tolist(), *range(200)]:
        ids, _ = source.row(at)
        assert ids.tolist() == rows[at].ids[: len(ids)]
        most = max(most, buffer.held_bytes)
    assert 1000 < most <= buffer.limit


def test_room_is_made_before_a_piece_is_opened() -> None:
    buffer = PieceBuffer(100)
    piece = piece_of([], NOWHERE)
    held_while_opening = []

    def load() -> Piece:
        held_while_opening.append(buffer.held_bytes)
        return piece

    for number, size in enumerate((60, 40, 50, 300, 10)):
        buffer.get(("set", number), size, load)
    assert held_while_opening == [0, 60, 40, 0, 0]
    assert buffer.held_bytes == 10


def test_what_was_used_last_stays() -> None:
    buffer, opened = PieceBuffer(100), []
    for number in (0, 1, 0, 2, 0, 1):
        buffer.get(("set", number), 50, lambda number=number: opened.append(number) or piece_of([], NOWHERE))
    assert opened == [0, 1, 2, 1]


def test_pieces_of_two_sets_are_not_mixed_up(tmp_path: Path) -> None:
    buffer, key, rows = PieceBuffer(1 << 20), new_key(), some_rows(20)
    one = PreparedRows(prepared(tmp_path / "one", rows[:10], 5, key), buffer)
    two = PreparedRows(prepared(tmp_path / "two", rows[10:], 5, key), buffer)
    for at in range(10):
        assert one.row(at)[0].tolist() == rows[at].ids[: one.ends[at]]
        assert two.row(at)[0].tolist() == rows[at + 10].ids[: two.ends[at]]


@pytest.mark.parametrize("name", ["manifest", "index"])
@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_a_set_that_is_not_whole_fails_before_anything_is_trained(name: str, harm: str, tmp_path: Path) -> None:
    key = new_key()
    folder = prepared(tmp_path / "set", some_rows(20), 5, key)
    damage(folder.path / name, harm)
    with pytest.raises(JobFailure, match="The token rows set cannot be read"):
        read_token_rows(folder.path, JOB, key, PieceBuffer(1 << 20))


@pytest.mark.parametrize("harm", ["gone", "flipped"])
def test_a_damaged_piece_fails_when_it_is_needed(harm: str, tmp_path: Path) -> None:
    key = new_key()
    folder = prepared(tmp_path / "set", some_rows(20), 5, key)
    source = read_token_rows(folder.path, JOB, key, PieceBuffer(1 << 20))
    damage(folder.path / "piece-000002", harm)
    source.row(9)
    with pytest.raises(JobFailure, match="The token rows set cannot be read"):
        source.row(10)


def damage(path: Path, harm: str) -> None:
    if harm == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)
