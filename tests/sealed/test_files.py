"""Sealed files: what is written is read, and nothing else is."""

import io
import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.domain.errors import SealBroken
from outcrop.sealed import PARTIAL_SUFFIX, PIECE_BYTES, SealedReader, SealedWriter
from outcrop.sealed.piece import FULL_SEALED, HEADER_BYTES, plain_size, sealed_size

KEY = bytes(range(32))
CONTEXT = b"object/abc"
PATTERN = random.Random(7).randbytes(2 * PIECE_BYTES + 12_345)
SEGMENT_EDGES = (1_048_519, 1_048_520, 1_048_521, 1_048_520 + 1_048_560, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1)
SIZES = (0, 1, 100, *SEGMENT_EDGES, 2 * PIECE_BYTES, len(PATTERN))


def seal(path: Path, plaintext: bytes, context: bytes = CONTEXT) -> Path:
    with SealedWriter(path, KEY, context) as writer:
        writer.write(plaintext)
    return path


def read_all(path: Path, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    with SealedReader(path, key, context) as reader:
        return b"".join(reader.pieces())


@pytest.fixture(scope="module")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seal(tmp_path_factory.mktemp("sealed") / "long", PATTERN)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    path = seal(tmp_path / "file", PATTERN[:size])
    with SealedReader(path, KEY, CONTEXT) as reader:
        assert reader.size == size
        assert b"".join(reader.pieces()) == PATTERN[:size]


@pytest.mark.parametrize("size", SIZES)
def test_a_piece_has_the_size_that_is_computed(tmp_path: Path, size: int) -> None:
    path = seal(tmp_path / "file", PATTERN[:size])
    full, rest = divmod(size, PIECE_BYTES)
    tail = sealed_size(rest) if rest or not full else 0
    assert path.stat().st_size == HEADER_BYTES + full * FULL_SEALED + tail


@given(st.integers(0, PIECE_BYTES))
def test_sizes_are_each_others_inverse(length: int) -> None:
    assert plain_size(sealed_size(length)) == length


def test_writing_in_crumbs_is_writing_at_once(tmp_path: Path) -> None:
    with SealedWriter(tmp_path / "file", KEY, CONTEXT) as writer:
        for start in range(0, PIECE_BYTES + 5_000, 70_001):
            assert writer.write(memoryview(PATTERN)[start : min(start + 70_001, PIECE_BYTES + 5_000)]) > 0
        assert writer.size == PIECE_BYTES + 5_000
    assert read_all(tmp_path / "file") == PATTERN[: PIECE_BYTES + 5_000]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(start=st.integers(0, len(PATTERN) + 10), length=st.integers(0, 200_000))
def test_any_range_is_the_range_of_the_plain_bytes(long_file: Path, start: int, length: int) -> None:
    with SealedReader(long_file, KEY, CONTEXT) as reader:
        assert reader.read_range(start, length) == PATTERN[start : start + length]


def test_a_range_may_cross_pieces(long_file: Path) -> None:
    with SealedReader(long_file, KEY, CONTEXT) as reader:
        start = PIECE_BYTES - 3
        assert reader.read_range(start, PIECE_BYTES + 6) == PATTERN[start : start + PIECE_BYTES + 6]


def truncations() -> list[int]:
    edges = {0, HEADER_BYTES, HEADER_BYTES + 40, HEADER_BYTES + 56}
    edges |= {HEADER_BYTES + number * FULL_SEALED for number in (1, 2)}
    edges |= {HEADER_BYTES + number * FULL_SEALED + k * (1 << 20) for number in (0, 1) for k in range(1, 9)}
    return sorted(edge + shift for edge in edges for shift in (-1, 0, 1) if edge + shift >= 0)


def test_a_file_cut_at_any_boundary_is_refused_when_opened(long_file: Path, tmp_path: Path) -> None:
    whole = long_file.read_bytes()
    cut = tmp_path / "cut"
    for length in [*truncations(), len(whole) - 1, len(whole) - 16]:
        cut.write_bytes(whole[:length])
        with pytest.raises(SealBroken):
            SealedReader(cut, KEY, CONTEXT)


def test_a_file_with_something_added_is_refused(tmp_path: Path) -> None:
    whole = seal(tmp_path / "file", PATTERN[:1000]).read_bytes()
    for added in (b"x", bytes(56), bytes(500), whole, whole[HEADER_BYTES:]):
        (tmp_path / "more").write_bytes(whole + added)
        with pytest.raises(SealBroken):
            read_all(tmp_path / "more")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(seal(tmp_path / "file", PATTERN[:3000]).read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (tmp_path / "bad").write_bytes(whole)
    with pytest.raises(SealBroken):
        read_all(tmp_path / "bad")


def test_a_flipped_bit_in_any_segment_of_a_long_file_is_refused(long_file: Path, tmp_path: Path) -> None:
    whole = bytearray(long_file.read_bytes())
    bad = tmp_path / "bad"
    for place in range(HEADER_BYTES + 5, len(whole), 3 << 20):
        whole[place] ^= 1
        bad.write_bytes(whole)
        with pytest.raises(SealBroken):
            read_all(bad)
        whole[place] ^= 1


def test_swapped_or_repeated_pieces_are_refused(long_file: Path, tmp_path: Path) -> None:
    whole = long_file.read_bytes()
    head, body = whole[:HEADER_BYTES], whole[HEADER_BYTES:]
    first, second, last = body[:FULL_SEALED], body[FULL_SEALED : 2 * FULL_SEALED], body[2 * FULL_SEALED :]
    for order in (
        (second, first, last),
        (first, first, last),
        (first, last),
        (first, second),
        (first, second, last, last),
    ):
        (tmp_path / "bad").write_bytes(head + b"".join(order))
        with pytest.raises(SealBroken):
            read_all(tmp_path / "bad")


def test_a_piece_of_another_version_of_the_same_file_is_refused(tmp_path: Path) -> None:
    one, two = seal(tmp_path / "one", PATTERN[:500]), seal(tmp_path / "two", PATTERN[1000:1500])
    (tmp_path / "mixed").write_bytes(one.read_bytes()[:HEADER_BYTES] + two.read_bytes()[HEADER_BYTES:])
    with pytest.raises(SealBroken):
        read_all(tmp_path / "mixed")


@pytest.mark.parametrize("size", [0, 1000])
def test_another_context_or_key_is_refused_when_opened(tmp_path: Path, size: int) -> None:
    path = seal(tmp_path / "file", PATTERN[:size])
    with pytest.raises(SealBroken):
        SealedReader(path, KEY, b"object/abd")
    with pytest.raises(SealBroken):
        SealedReader(path, bytes(32), CONTEXT)


def test_a_key_of_another_length_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SealedWriter(tmp_path / "file", b"short", CONTEXT)


def test_an_exception_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = seal(tmp_path / "file", b"old")
    with pytest.raises(RuntimeError), SealedWriter(path, KEY, CONTEXT) as writer:
        writer.write(PATTERN[: PIECE_BYTES + 1])
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert read_all(path) == b"old"


WRITE_UNTIL_KILLED = """
import sys
from pathlib import Path
from outcrop.sealed import SealedWriter
with SealedWriter(Path(sys.argv[1]), bytes(range(32)), b"object/abc") as writer:
    writer.write(bytes(9 << 20))
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"writing\n"
        child.kill()
    left = [entry.name for entry in tmp_path.iterdir()]
    assert len(left) == 1
    assert left[0].endswith(PARTIAL_SUFFIX)


def test_a_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    assert seal(tmp_path / "file", b"x").stat().st_mode & 0o777 == 0o600


def test_a_reader_outlives_the_files_name(tmp_path: Path) -> None:
    path = seal(tmp_path / "file", b"still here")
    with SealedReader(path, KEY, CONTEXT) as reader:
        path.unlink()
        assert reader.read_range(0, 100) == b"still here"


def test_as_a_file_it_reads_lines_and_seeks(tmp_path: Path) -> None:
    lines = [f"line {number}\n".encode() for number in range(200_000)]
    path = seal(tmp_path / "file", b"".join(lines))
    with SealedReader(path, KEY, CONTEXT).as_file() as file:
        assert list(file) == lines
        assert file.seek(-len(lines[-1]), io.SEEK_END) > 0
        assert file.readline() == lines[-1]
        file.seek(0)
        file.seek(5, os.SEEK_CUR)
        assert file.tell() == 5
        assert file.read(3) == b"0\nl"
        file.seek(10**9)
        assert file.read() == b""


def test_as_a_file_there_is_no_place_before_the_start(tmp_path: Path) -> None:
    with (
        SealedReader(seal(tmp_path / "file", b"abc"), KEY, CONTEXT).as_file() as file,
        pytest.raises(ValueError, match="start"),
    ):
        file.seek(-10, io.SEEK_END)


MEASURE = """
import resource, sys, tracemalloc
from pathlib import Path
from outcrop.sealed import SealedReader, SealedWriter
path, key, block = Path(sys.argv[1]), bytes(32), bytes(1 << 20)
def go(mebibytes):
    with SealedWriter(path, key, b"") as writer:
        for _ in range(mebibytes): writer.write(block)
    with SealedReader(path, key, b"") as reader:
        assert sum(map(len, reader.pieces())) == mebibytes << 20
go(16)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
go(int(sys.argv[2]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path, counts: Any) -> None:
    size = counts.few_or_full(96, 2048)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "f"), str(size)], capture_output=True, check=True
    )
    assert int(done.stdout) < 12 << 10  # KiB


@pytest.mark.parametrize("size", [5_000, PIECE_BYTES + 5_000])
def test_a_full_disk_is_said_as_such_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    """The kernel refuses this process any file beyond a limit, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1000, hard))
    try:
        with (
            pytest.raises(OSError, match="File too large"),
            SealedWriter(tmp_path / "full", KEY, CONTEXT) as writer,
        ):
            writer.write(bytes(size))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
