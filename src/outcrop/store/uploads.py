"""Multipart uploads: parts kept as blobs until they become an object, which takes them over. Knows no HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import md5
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from outcrop.domain.errors import Fault
from outcrop.store.blobs import Blob
from outcrop.store.buckets import BUCKETS, require_bucket
from outcrop.store.checksums import PartSum, of_whole
from outcrop.store.database import METADATA, Moment
from outcrop.store.key_listing import KeyPage, Question, list_keys
from outcrop.store.objects import OBJECTS, Condition, Description, ObjectRecord, Objects, Written, publish

UPLOADS = sa.Table(
    "uploads",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("bucket", sa.ForeignKey("buckets.name"), nullable=False),
    sa.Column("key", sa.LargeBinary(1024), nullable=False),
    sa.Column("initiated_at", Moment, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("algorithm", sa.String, nullable=False),
    sa.Column("checksum_type", sa.String, nullable=False),
    sa.Index("uploads_by_key", "bucket", "key", "id"),
)
PARTS = sa.Table(
    "parts",
    METADATA,
    sa.Column("upload_id", sa.ForeignKey("uploads.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("blob", sa.String, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.String, nullable=False),
    sa.Column("checksum", sa.String, nullable=False),
    sa.Column("modified_at", Moment, nullable=False),
)
SMALLEST_PART = 5 << 20  # S3's rule for every part but the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload under way. Every part carries one checksum, of `algorithm`."""

    id: str
    bucket: str
    key: str
    initiated_at: datetime
    description: Description
    algorithm: str
    checksum_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part that has arrived."""

    number: int
    blob: str
    size: int
    etag: str
    checksum: str
    modified_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A part that a client names to complete an upload; `checksum` where it gave one."""

    number: int
    etag: str
    checksum: str | None = None


class Uploads:
    """The uploads beside the objects that they become."""

    def __init__(self, objects: Objects) -> None:
        self._objects, self._database = objects, objects.database

    def create(self, upload: Upload) -> None:
        """Begin an upload. Raises NoSuchBucket."""
        with self._database.write() as connection:
            require_bucket(connection, upload.bucket)
            connection.execute(sa.insert(UPLOADS).values(**_row(upload)))

    def find(self, bucket: str, key: str, upload_id: str) -> Upload:
        """The upload of that id, key and bucket. Raises NoSuchUpload."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(UPLOADS).where(UPLOADS.c.id == upload_id)).mappings().first()
        upload = _upload(row) if row else None
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise no_such_upload(upload_id)
        return upload

    def put_part(self, upload: Upload, number: int, written: Written) -> Part:
        """Make it the part of that number. Raises NoSuchUpload where the upload has ended meanwhile."""
        part = Part(
            number=number,
            blob=written.blob.id,
            size=written.blob.size,
            etag=written.md5.hex(),
            checksum=written.checksums[upload.algorithm],
            modified_at=self._objects.clock(),
        )
        place = (PARTS.c.upload_id == upload.id, PARTS.c.number == number)
        with self._database.write() as connection:
            _require(connection, upload.id)
            replaced = connection.execute(sa.select(PARTS.c.blob).where(*place)).scalars().all()
            connection.execute(sa.delete(PARTS).where(*place))
            connection.execute(sa.insert(PARTS).values(upload_id=upload.id, **_fields(part)))
        self._objects.blobs.remove(replaced)
        return part

    def parts(self, upload: Upload, after: int = 0, limit: int | None = None) -> list[Part]:
        """The parts that have arrived, by number."""
        with self._database.read() as connection:
            return _parts(connection, upload.id, after, limit)

    def abort(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        with self._database.write() as connection:
            _require(connection, upload.id)
            forgotten = _forget(connection, [upload.id])
        self._objects.blobs.remove(forgotten)

    def complete(
        self, upload: Upload, chosen: Sequence[Chosen], condition: Condition, check: Callable[[ObjectRecord], None]
    ) -> ObjectRecord:
        """Make the chosen parts the object, in their order, and end the upload.

        `check` sees the object before it is one, and may refuse it. Any Fault leaves everything as it was.
        """
        with self._database.write() as connection:
            _require(connection, upload.id)
            arrived = {part.number: part for part in _parts(connection, upload.id)}
            parts = _checked(chosen, arrived)
            record = _made_of(parts, upload, self._objects.clock())
            check(record)
            forgotten = {*publish(connection, record, condition), *_forget(connection, [upload.id])}
        self._objects.blobs.remove(forgotten - {part.blob for part in parts})
        return record

    def list(self, bucket: str, question: Question) -> KeyPage[Upload]:
        """One page of uploads under way, by key and id. See `position`."""
        with self._database.read() as connection:
            of_bucket = sa.select(UPLOADS).where(UPLOADS.c.bucket == bucket).order_by(UPLOADS.c.key, UPLOADS.c.id)
            uploads = [_upload(row) for row in connection.execute(of_bucket).mappings()]
        placed = [(position(upload.key, upload.id), upload) for upload in uploads]

        def fetch(start: bytes, limit: int) -> list[tuple[bytes, Upload]]:
            return [(at, upload) for at, upload in placed if at >= start][:limit]

        return list_keys(fetch, question)

    def delete_bucket(self, name: str) -> bool:
        """Delete a bucket, and its uploads with it. False where it still holds objects, which changes nothing."""
        with self._database.write() as connection:
            if connection.execute(sa.select(OBJECTS.c.key).where(OBJECTS.c.bucket == name).limit(1)).first():
                return False
            ids = connection.execute(sa.select(UPLOADS.c.id).where(UPLOADS.c.bucket == name)).scalars().all()
            forgotten = _forget(connection, ids)
            connection.execute(sa.delete(BUCKETS).where(BUCKETS.c.name == name))
        self._objects.blobs.remove(forgotten)
        return True

    def sweep(self, quiet_s: float) -> int:
        """Remove the blobs that nothing names any more; see `Objects.sweep`."""
        return self._objects.sweep(
            lambda connection: set(connection.execute(sa.select(PARTS.c.blob)).scalars()), quiet_s
        )


def position(key: str, upload_id: str | None) -> bytes:
    """Where an upload stands in a list; without an id, after every upload of that key.

    The id's digits become bytes that no UTF-8 character begins with, so that no delimiter is found in them.
    """
    tail = b"\xff" if upload_id is None else bytes(0x80 | int(digit, 16) for digit in upload_id)
    return key.encode() + b"\x00" + tail


def no_such_upload(upload_id: str) -> Fault:
    """The answer to an upload that never was, or is over."""
    return Fault(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or"
        " completed.",
        UploadId=upload_id,
    )


def _checked(chosen: Sequence[Chosen], arrived: dict[int, Part]) -> list[Part]:
    numbers = [choice.number for choice in chosen]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise Fault(
            "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."
        )
    parts = [_found(choice, arrived.get(choice.number)) for choice in chosen]
    for part in parts[:-1]:
        if part.size < SMALLEST_PART:
            raise Fault(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ProposedSize=str(part.size),
                MinSizeAllowed=str(SMALLEST_PART),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    return parts


def _found(choice: Chosen, part: Part | None) -> Part:
    if part is None or part.etag != choice.etag or choice.checksum not in (None, part.checksum):
        raise Fault(
            "InvalidPart",
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the"
            " specified entity tag may not match the part's entity tag.",
            PartNumber=str(choice.number),
            ETag=choice.etag,
        )
    return part


def _made_of(parts: Sequence[Part], upload: Upload, at: datetime) -> ObjectRecord:
    digest = md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
    sums = [PartSum(part.checksum, part.size) for part in parts]
    return ObjectRecord(
        bucket=upload.bucket,
        key=upload.key,
        size=sum(part.size for part in parts),
        etag=f"{digest}-{len(parts)}",
        modified_at=at,
        blobs=tuple(Blob(part.blob, part.size) for part in parts),
        description=upload.description,
        checksums={upload.algorithm: of_whole(upload.algorithm, upload.checksum_type, sums)},
        checksum_type=upload.checksum_type,
    )


def _require(connection: sa.Connection, upload_id: str) -> None:
    if not connection.execute(sa.select(UPLOADS.c.id).where(UPLOADS.c.id == upload_id)).first():
        raise no_such_upload(upload_id)


def _parts(connection: sa.Connection, upload_id: str, after: int = 0, limit: int | None = None) -> list[Part]:
    columns = [column for column in PARTS.c if column.name != "upload_id"]
    of_upload = sa.select(*columns).where(PARTS.c.upload_id == upload_id, PARTS.c.number > after)
    return [Part(**row) for row in connection.execute(of_upload.order_by(PARTS.c.number).limit(limit)).mappings()]


def _forget(connection: sa.Connection, upload_ids: Sequence[str]) -> list[str]:
    """Drop uploads with their parts; answers the parts' blobs."""
    blobs = connection.execute(sa.select(PARTS.c.blob).where(PARTS.c.upload_id.in_(upload_ids))).scalars().all()
    connection.execute(sa.delete(PARTS).where(PARTS.c.upload_id.in_(upload_ids)))
    connection.execute(sa.delete(UPLOADS).where(UPLOADS.c.id.in_(upload_ids)))
    return list(blobs)


def _fields(part: Part) -> dict[str, Any]:
    return {name: getattr(part, name) for name in Part.__slots__}


def _row(upload: Upload) -> dict[str, Any]:
    said = upload.description
    return {
        "id": upload.id,
        "bucket": upload.bucket,
        "key": upload.key.encode(),
        "initiated_at": upload.initiated_at,
        "content": dict(said.content),
        "metadata": dict(said.metadata),
        "tags": dict(said.tags),
        "algorithm": upload.algorithm,
        "checksum_type": upload.checksum_type,
    }


def _upload(row: sa.RowMapping) -> Upload:
    return Upload(
        id=row["id"],
        bucket=row["bucket"],
        key=bytes(row["key"]).decode(),
        initiated_at=row["initiated_at"],
        description=Description(content=row["content"], metadata=row["metadata"], tags=row["tags"]),
        algorithm=row["algorithm"],
        checksum_type=row["checksum_type"],
    )
