"""Multipart uploads in the store."""

from datetime import datetime
from hashlib import md5
from pathlib import Path

import pytest

from outcrop.domain.errors import Fault
from outcrop.store.buckets import Buckets
from outcrop.store.checksums import COMPOSITE
from outcrop.store.database import Database
from outcrop.store.key_listing import Question
from outcrop.store.objects import ALWAYS, Condition, Description, ObjectRecord, Objects
from outcrop.store.uploads import SMALLEST_PART, Chosen, Part, Upload, Uploads, position

LONG = bytes(SMALLEST_PART)


@pytest.fixture
def objects(database: Database, tmp_path: Path, noon: datetime) -> Objects:
    Buckets(database).create("data", "us-east-1", noon)
    return Objects(database, tmp_path / "objects", bytes(32), lambda: noon)


@pytest.fixture
def uploads(objects: Objects) -> Uploads:
    return Uploads(objects)


def begin(uploads: Uploads, noon: datetime, key: str = "a", upload_id: str = "0f" * 16) -> Upload:
    upload = Upload(
        id=upload_id,
        bucket="data",
        key=key,
        initiated_at=noon,
        description=Description(metadata={"k": "v"}),
        algorithm="CRC32",
        checksum_type=COMPOSITE,
    )
    uploads.create(upload)
    return upload


def send(uploads: Uploads, objects: Objects, upload: Upload, number: int, body: bytes) -> Part:
    return uploads.put_part(upload, number, objects.write([body], ["CRC32"]))


def agree(_record: ObjectRecord) -> None:
    """Nothing to object to."""


def files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


def choose(*parts: Part) -> list[Chosen]:
    return [Chosen(number=part.number, etag=part.etag) for part in parts]


def test_the_chosen_parts_become_the_object_and_the_others_go(
    uploads: Uploads, objects: Objects, noon: datetime, tmp_path: Path
) -> None:
    upload = begin(uploads, noon)
    first, extra, last = (send(uploads, objects, upload, n, body) for n, body in ((1, LONG), (5, b"no"), (9, b"end")))
    record = uploads.complete(upload, choose(first, last), ALWAYS, agree)
    assert objects.get("data", "a") == record
    assert record.etag == md5(bytes.fromhex(first.etag) + bytes.fromhex(last.etag)).hexdigest() + "-2"
    assert record.description.metadata == {"k": "v"}
    with objects.open(record) as reader:
        assert reader.read_range(SMALLEST_PART - 1, 10) == b"\x00end"
    assert extra.blob not in {blob.id for blob in record.blobs}
    assert files(tmp_path / "objects") == 2
    with pytest.raises(Fault) as caught:
        uploads.find("data", "a", upload.id)
    assert caught.value.code == "NoSuchUpload"


def test_a_part_sent_again_replaces_the_first(
    uploads: Uploads, objects: Objects, noon: datetime, tmp_path: Path
) -> None:
    upload = begin(uploads, noon)
    send(uploads, objects, upload, 1, b"old")
    again = send(uploads, objects, upload, 1, b"new")
    assert uploads.parts(upload) == [again]
    assert files(tmp_path / "objects") == 1


def test_what_does_not_fit_changes_nothing(uploads: Uploads, objects: Objects, noon: datetime) -> None:
    upload = begin(uploads, noon)
    small, last = send(uploads, objects, upload, 1, b"small"), send(uploads, objects, upload, 2, b"end")
    wrong_sum = Chosen(number=1, etag=small.etag, checksum="AAAA")
    for chosen, code in (
        (choose(last, small), "InvalidPartOrder"),
        (choose(small, small), "InvalidPartOrder"),
        (choose(small, last), "EntityTooSmall"),
        ([Chosen(number=3, etag=last.etag)], "InvalidPart"),
        ([Chosen(number=2, etag=small.etag)], "InvalidPart"),
        ([wrong_sum], "InvalidPart"),
    ):
        with pytest.raises(Fault) as caught:
            uploads.complete(upload, chosen, ALWAYS, agree)
        assert caught.value.code == code
    assert uploads.parts(upload) == [small, last]
    assert objects.get("data", "a") is None


def test_a_condition_or_check_that_fails_leaves_the_upload(uploads: Uploads, objects: Objects, noon: datetime) -> None:
    def object_to(_record: ObjectRecord) -> None:
        raise Fault("BadDigest", "no")

    upload = begin(uploads, noon)
    part = send(uploads, objects, upload, 1, b"new")
    objects.put("data", "a", [b"old"])
    for condition, check in ((Condition(absent=True), agree), (ALWAYS, object_to)):
        with pytest.raises(Fault):
            uploads.complete(upload, choose(part), condition, check)
    assert uploads.parts(upload) == [part]
    old = objects.get("data", "a")
    assert old is not None
    assert old.size == 3


def test_an_aborted_upload_is_gone_with_its_parts(
    uploads: Uploads, objects: Objects, noon: datetime, tmp_path: Path
) -> None:
    upload = begin(uploads, noon)
    send(uploads, objects, upload, 1, b"x")
    uploads.abort(upload)
    assert files(tmp_path / "objects") == 0
    for late in (lambda: uploads.abort(upload), lambda: send(uploads, objects, upload, 2, b"late")):
        with pytest.raises(Fault) as caught:
            late()
        assert caught.value.code == "NoSuchUpload"


def test_an_upload_is_found_only_under_its_own_key(uploads: Uploads, noon: datetime) -> None:
    upload = begin(uploads, noon)
    assert uploads.find("data", "a", upload.id) == upload
    with pytest.raises(Fault):
        uploads.find("data", "b", upload.id)


def test_an_upload_needs_its_bucket(uploads: Uploads, noon: datetime) -> None:
    upload = begin(uploads, noon)
    assert uploads.delete_bucket("data")
    with pytest.raises(Fault) as caught:
        uploads.create(upload)
    assert caught.value.code == "NoSuchBucket"


def test_a_bucket_with_objects_stays_and_one_with_uploads_goes(
    uploads: Uploads, objects: Objects, noon: datetime, tmp_path: Path
) -> None:
    send(uploads, objects, begin(uploads, noon), 1, b"x")
    objects.put("data", "a", [b"x"])
    assert not uploads.delete_bucket("data")
    objects.remove("data", ["a"])
    assert uploads.delete_bucket("data")
    assert files(tmp_path / "objects") == 0


def test_uploads_are_listed_by_key_then_id(uploads: Uploads, noon: datetime) -> None:
    for key, upload_id in (("b", "02"), ("a/x", "03"), ("b", "01")):
        begin(uploads, noon, key, upload_id)
    assert [(found.key, found.id) for found in uploads.list("data", Question()).rows] == [
        ("a/x", "03"),
        ("b", "01"),
        ("b", "02"),
    ]
    after_one = uploads.list("data", Question(after=position("b", "01")))
    assert [found.id for found in after_one.rows] == ["02"]
    assert uploads.list("data", Question(after=position("b", None))).rows == []
    assert uploads.list("data", Question(delimiter=b"/")).prefixes == [b"a/"]
    assert uploads.list("data", Question(delimiter=b"0")).prefixes == []


def test_the_sweep_keeps_parts(uploads: Uploads, objects: Objects, noon: datetime, tmp_path: Path) -> None:
    send(uploads, objects, begin(uploads, noon), 1, b"x")
    objects.write([b"orphan"], ())
    assert uploads.sweep(quiet_s=-(10**10)) == 1
    assert files(tmp_path / "objects") == 1
