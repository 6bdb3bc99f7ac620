"""Objects over sealed blobs."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outcrop.domain.errors import Fault
from outcrop.sealed import PARTIAL_SUFFIX
from outcrop.store.blobs import READERS_HELD, Blob, FolderBlobs, ObjectReader
from outcrop.store.buckets import Buckets
from outcrop.store.database import Database
from outcrop.store.key_listing import Question
from outcrop.store.objects import Condition, Description, Objects, whole

KEY = bytes(range(32))


@pytest.fixture
def objects(database: Database, tmp_path: Path, noon: datetime) -> Objects:
    Buckets(database).create("data", "us-east-1", noon)
    return Objects(database, tmp_path / "objects", KEY, lambda: noon)


def read(objects: Objects, bucket: str, key: str) -> bytes:
    record = objects.get(bucket, key)
    assert record is not None
    with objects.open(record) as reader:
        return b"".join(reader.pieces())


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def nobody(_connection: sa.Connection) -> set[str]:
    return set()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(key=st.text(min_size=1, max_size=100), body=st.binary(max_size=100))
def test_any_key_and_any_bytes_come_back(objects: Objects, key: str, body: bytes) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    objects.put("data", key, [body])
    assert read(objects, "data", key) == body


def test_a_key_is_never_a_path(objects: Objects, tmp_path: Path) -> None:
    for key in ("../../escaped", "/etc/escaped", "a/b", ".", "x" * 1024):
        objects.put("data", key, [b"x"])
    assert not [path for path in files(tmp_path) if "escaped" in str(path)]
    assert len(files(tmp_path / "objects")) == 5


def test_what_lies_on_disk_is_sealed(objects: Objects, tmp_path: Path) -> None:
    objects.put("data", "plain", [b"the quick brown fox" * 10])
    (file,) = files(tmp_path / "objects")
    assert b"quick" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0


def test_a_record_says_what_was_put(objects: Objects, noon: datetime) -> None:
    put = objects.put("data", "a", [b"hel", b"lo"], "text/plain", {"k": "v"})
    got = objects.get("data", "a")
    assert got == put
    assert (put.size, put.etag, put.modified_at) == (5, "5d41402abc4b2a76b9719d911017c592", noon)
    assert put.description.content == {"ContentType": "text/plain"}
    assert put.description.metadata == {"k": "v"}
    assert set(put.checksums) == {"CRC64NVME"}


def test_a_body_that_breaks_off_leaves_what_was_there(objects: Objects, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise Fault("BadDigest", "no")

    objects.put("data", "a", [b"old"])
    with pytest.raises(Fault):
        objects.put("data", "a", broken())
    assert read(objects, "data", "a") == b"old"
    assert len(files(tmp_path / "objects")) == 1


def test_replacing_and_deleting_free_the_bytes(objects: Objects, tmp_path: Path) -> None:
    objects.put("data", "a", [b"old"])
    objects.put("data", "a", [b"new"])
    assert len(files(tmp_path / "objects")) == 1
    objects.remove("data", ["a", "never was"])
    assert objects.get("data", "a") is None
    assert files(tmp_path / "objects") == []


def test_a_reader_goes_on_after_the_object_is_deleted(objects: Objects) -> None:
    record = objects.put("data", "a", [b"still here"])
    with objects.open(record) as reader:
        objects.remove("data", ["a"])
        assert reader.read_range(0, 100) == b"still here"


def test_there_is_no_object_without_a_bucket(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        objects.put("nowhere", "a", [b"x"])
    assert caught.value.code == "NoSuchBucket"
    assert files(tmp_path / "objects") == []


@pytest.mark.parametrize(
    ("condition", "code"),
    [
        (Condition(absent=True), "PreconditionFailed"),
        (Condition(etag="0" * 32), "PreconditionFailed"),
        (Condition(etag="5d41402abc4b2a76b9719d911017c592"), None),
        (Condition(etag="*"), None),
    ],
)
def test_a_condition_is_checked_against_what_is_there(objects: Objects, condition: Condition, code: str | None) -> None:
    objects.put("data", "a", [b"hello"])
    record = whole("data", "a", objects.write([b"new"], ()), Description())
    if code is None:
        objects.publish(record, condition)
        assert read(objects, "data", "a") == b"new"
    else:
        with pytest.raises(Fault) as caught:
            objects.publish(record, condition)
        assert caught.value.code == code
        assert read(objects, "data", "a") == b"hello"


def test_a_match_of_nothing_is_no_such_key(objects: Objects) -> None:
    with pytest.raises(Fault) as caught:
        objects.remove("data", ["a"], Condition(etag="x"))
    assert caught.value.code == "NoSuchKey"


def test_of_many_who_create_one_object_one_succeeds(objects: Objects) -> None:
    outcomes: list[str] = []

    def create(name: int) -> None:
        try:
            with objects.staged([str(name).encode()], ()) as written:
                objects.publish(whole("data", "a", written, Description()), Condition(absent=True))
            outcomes.append("created")
        except Fault as fault:
            outcomes.append(fault.code)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["PreconditionFailed"] * 7 + ["created"]


def test_tags_are_replaced_and_nothing_else(objects: Objects) -> None:
    put = objects.put("data", "a", [b"x"])
    objects.set_tags("data", "a", {"k": "v"})
    got = objects.get("data", "a")
    assert got is not None
    assert got.description.tags == {"k": "v"}
    assert got.etag == put.etag


def test_lists_are_in_utf8_order(objects: Objects) -> None:
    keys = ["Z", "a", "a/b", "é", "\U0001f600", "￿"]
    for key in keys:
        objects.put("data", key, [b""])
    listed = [record.key for record in objects.list("data", Question()).rows]
    assert listed == sorted(keys, key=str.encode)


def test_the_sweep_takes_only_what_nobody_names(objects: Objects, tmp_path: Path, noon: datetime) -> None:
    objects.put("data", "kept", [b"kept"])
    orphan = objects.write([b"orphan"], ()).blob.id
    part = objects.write([b"part"], ()).blob.id
    leftover = tmp_path / "objects" / orphan[:2] / f".{orphan[:2]}dead.0123456789abcdef{PARTIAL_SUFFIX}"
    leftover.write_bytes(b"as a kill would leave it")
    soon = Objects(objects.database, tmp_path / "objects", KEY, lambda: datetime.now(noon.tzinfo))
    assert soon.sweep(nobody) == 0  # all were written just now
    later = Objects(objects.database, tmp_path / "objects", KEY, lambda: datetime.now(noon.tzinfo) + timedelta(hours=2))
    assert later.sweep(lambda _connection: {part}) == 2
    assert read(objects, "data", "kept") == b"kept"
    assert not (tmp_path / "objects" / orphan[:2] / orphan).exists()
    assert (tmp_path / "objects" / part[:2] / part).exists()
    assert not leftover.exists()


@pytest.fixture(scope="module")
def many_blobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[FolderBlobs, list[Blob], bytes]:
    blobs = FolderBlobs(tmp_path_factory.mktemp("blobs"), KEY)
    contents = [f"part {number} ".encode() * (number % 5) for number in range(READERS_HELD + 6)]
    kept = [blobs.write(f"{number:032x}", [content]) for number, content in enumerate(contents)]
    return blobs, kept, b"".join(contents)


@settings(max_examples=40, deadline=None)
@given(start=st.integers(0, 1500), length=st.integers(0, 1500))
def test_any_range_over_many_blobs_is_the_range_of_the_whole(
    many_blobs: tuple[FolderBlobs, list[Blob], bytes], start: int, length: int
) -> None:
    blobs, parts, plain = many_blobs
    with ObjectReader(blobs, parts, start, length) as reader:
        assert reader.read_range(start, length) == plain[start : start + length]


def test_many_blobs_are_one_file(many_blobs: tuple[FolderBlobs, list[Blob], bytes]) -> None:
    blobs, parts, plain = many_blobs
    with ObjectReader(blobs, parts).as_file() as file:
        assert file.read() == plain
        file.seek(10)
        assert file.read(5) == plain[10:15]


def test_an_object_whose_blob_is_gone_is_not_opened_and_leaves_nothing_open(
    many_blobs: tuple[FolderBlobs, list[Blob], bytes],
) -> None:
    blobs, parts, _ = many_blobs
    with pytest.raises(FileNotFoundError):
        ObjectReader(blobs, [*parts[1:3], Blob("f" * 32, 10)])
