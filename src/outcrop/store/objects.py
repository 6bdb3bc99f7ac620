"""Objects: bytes under a key in a bucket, with all that S3 remembers of them. Knows no HTTP.

The bytes lie sealed in blobs; a row says which. Putting an object is: write a new blob, then one transaction that
points the row at it, then forget the old blob. A crash between any two of these leaves the old object or the new one,
and at worst a blob that nobody names, which `sweep` removes.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from outcrop.domain.errors import Fault
from outcrop.store.blobs import Blob, Blobs, FolderBlobs, ObjectReader
from outcrop.store.buckets import require_bucket
from outcrop.store.checksums import DEFAULT_ALGORITHM, FULL_OBJECT, Digests
from outcrop.store.database import METADATA, Database, Moment
from outcrop.store.key_listing import KeyPage, Question, list_keys
from outcrop.store.keys import Keys

OBJECTS = sa.Table(
    "objects",
    METADATA,
    sa.Column("bucket", sa.ForeignKey("buckets.name"), primary_key=True),
    sa.Column("key", sa.LargeBinary(1024), primary_key=True),  # UTF-8: bytes sort alike on every database
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("etag", sa.String, nullable=False),
    sa.Column("modified_at", Moment, nullable=False),
    sa.Column("blobs", sa.JSON, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("checksums", sa.JSON, nullable=False),
    sa.Column("checksum_type", sa.String, nullable=False),
    sa.Column("encryption", sa.JSON(none_as_null=True)),
)
DEFAULT_CONTENT_TYPE = "binary/octet-stream"
QUIET_S = 3600.0  # a blob without a name that was written to this recently may be one that is still being put


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a client says of an object. `content` holds ContentType, CacheControl and their kin by member name."""

    content: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsEncryption:
    """The KMS key of an object's own data key, and that data key, wrapped."""

    key_arn: str
    data_key: bytes

    def to_json(self) -> dict[str, str]:
        """What the row holds."""
        return {"key_arn": self.key_arn, "data_key": base64.b64encode(self.data_key).decode()}

    @classmethod
    def of(cls, row: Mapping[str, str] | None) -> "KmsEncryption | None":
        """What the row says; None where the object lies under the server's own key."""
        return None if row is None else cls(key_arn=row["key_arn"], data_key=base64.b64decode(row["data_key"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRecord:
    """One object. `etag` comes without its quotes; `checksums` maps an algorithm to base64."""

    bucket: str
    key: str
    size: int
    etag: str
    modified_at: datetime
    blobs: tuple[Blob, ...]
    description: Description
    checksums: Mapping[str, str]
    checksum_type: str
    encryption: KmsEncryption | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Bytes that are kept and belong to nothing yet."""

    blob: Blob
    md5: bytes
    checksums: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold of the object that is there, at the very moment it is replaced or deleted."""

    absent: bool = False
    etag: str | None = None


ALWAYS = Condition()


class Objects:
    """All objects of the server: their rows, and their bytes in `folder`, sealed under `key` or under a KMS key."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        key: bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        keys: Keys | None = None,
    ) -> None:
        self.database, self.clock = database, clock
        self.blobs: Blobs = FolderBlobs(folder, key)
        self._folder, self._keys = folder, keys

    def get(self, bucket: str, key: str) -> ObjectRecord | None:
        """What is remembered of an object."""
        with self.database.read() as connection:
            row = connection.execute(sa.select(OBJECTS).where(*_place(bucket, key))).mappings().first()
        return _record(row) if row else None

    def open(self, record: ObjectRecord, start: int = 0, length: int | None = None) -> ObjectReader:
        """The object's bytes. Say the stretch that will be read, so that no more is opened than that takes.

        Raises the KMS key's Fault where it cannot be used.
        """
        return ObjectReader(self._blobs_of(record), record.blobs, start, length)

    def put(
        self,
        bucket: str,
        key: str,
        chunks: Iterable[bytes],
        content_type: str = DEFAULT_CONTENT_TYPE,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectRecord:
        """Put an object whole, as a plain PutObject would."""
        description = Description(content={"ContentType": content_type}, metadata=metadata or {})
        with self.staged(chunks, (DEFAULT_ALGORITHM,)) as written:
            return self.publish(whole(bucket, key, written, description))

    def put_under(
        self, kms_key_arn: str, bucket: str, key: str, chunks: Iterable[bytes], content_type: str
    ) -> ObjectRecord:
        """Put an object whole under a data key of its own, wrapped by a KMS key. Raises that key's Fault."""
        assert self._keys is not None, "these objects were opened without a key ring"
        plain, wrapped = self._keys.generate_data_key(kms_key_arn, _context(bucket, key))
        digests = Digests((DEFAULT_ALGORITHM,))
        blob = FolderBlobs(self._folder, plain).write(uuid4().hex, _watched(chunks, digests))
        written = Written(blob=blob, md5=digests.md5, checksums=digests.checksums())
        record = whole(bucket, key, written, Description(content={"ContentType": content_type}))
        try:
            return self.publish(replace(record, encryption=KmsEncryption(key_arn=kms_key_arn, data_key=wrapped)))
        except BaseException:
            self.blobs.remove([blob.id])
            raise

    @contextmanager
    def staged(self, chunks: Iterable[bytes], algorithms: Iterable[str]) -> Iterator[Written]:
        """Keep bytes first, decide then: they are forgotten where the block raises."""
        written = self.write(chunks, algorithms)
        try:
            yield written
        except BaseException:
            self.blobs.remove([written.blob.id])
            raise

    def write(self, chunks: Iterable[bytes], algorithms: Iterable[str]) -> Written:
        """Keep all of `chunks` in a new blob, and what is computed on the way; nothing where `chunks` raises."""
        digests = Digests(algorithms)
        blob = self.blobs.write(uuid4().hex, _watched(chunks, digests))
        return Written(blob=blob, md5=digests.md5, checksums=digests.checksums())

    def publish(self, record: ObjectRecord, condition: Condition = ALWAYS) -> ObjectRecord:
        """Make it the object of its key. Raises the condition's Fault and changes nothing."""
        record = replace(record, modified_at=self.clock())
        with self.database.write() as connection:
            replaced = publish(connection, record, condition)
        self.blobs.remove(replaced)
        return record

    def remove(self, bucket: str, keys: Iterable[str], condition: Condition = ALWAYS) -> None:
        """Delete objects, all or none; one that is not there is no error."""
        with self.database.write() as connection:
            forgotten = [blob for key in keys for blob in _remove(connection, bucket, key, condition)]
        self.blobs.remove(forgotten)

    def set_tags(self, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Replace all tags of an object."""
        with self.database.write() as connection:
            connection.execute(sa.update(OBJECTS).where(*_place(bucket, key)).values(tags=dict(tags)))

    def list(self, bucket: str, question: Question) -> KeyPage[ObjectRecord]:
        """One page of a bucket's objects and common prefixes."""
        with self.database.read() as connection:

            def fetch(start: bytes, limit: int) -> list[tuple[bytes, ObjectRecord]]:
                within = (OBJECTS.c.bucket == bucket, OBJECTS.c.key >= start)
                rows = connection.execute(sa.select(OBJECTS).where(*within).order_by(OBJECTS.c.key).limit(limit))
                return [(bytes(row["key"]), _record(row)) for row in rows.mappings()]

            return list_keys(fetch, question)

    def _blobs_of(self, record: ObjectRecord) -> Blobs:
        if record.encryption is None:
            return self.blobs
        assert self._keys is not None, "these objects were opened without a key ring"
        data_key = self._keys.unwrap(record.encryption.data_key, _context(record.bucket, record.key))
        return FolderBlobs(self._folder, data_key)

    def sweep(self, named: Callable[[sa.Connection], set[str]], quiet_s: float = QUIET_S) -> int:
        """Remove blobs that neither an object nor `named` names, and broken-off writes; answers how many.

        Safe beside writers: what somebody wrote to in the last `quiet_s` seconds is left alone, and the blobs are
        listed before the rows are read, so that one that finds its row meanwhile is seen to have it.
        """
        found = set(self.blobs.untouched_since(self.clock() - timedelta(seconds=quiet_s)))
        with self.database.read() as connection:
            rows = connection.execute(sa.select(OBJECTS.c.blobs)).scalars()
            kept = {blob_id for blobs in rows for blob_id, _ in blobs} | named(connection)
        self.blobs.remove(found - kept)
        return len(found - kept)


def whole(bucket: str, key: str, written: Written, description: Description) -> ObjectRecord:
    """The object that one write makes; its moment is set when it is published."""
    return ObjectRecord(
        bucket=bucket,
        key=key,
        size=written.blob.size,
        etag=written.md5.hex(),
        modified_at=datetime.fromtimestamp(0, UTC),
        blobs=(written.blob,),
        description=description,
        checksums=written.checksums,
        checksum_type=FULL_OBJECT,
    )


def publish(connection: sa.Connection, record: ObjectRecord, condition: Condition) -> list[str]:
    """`Objects.publish` within a transaction; answers the blobs to forget once it is committed."""
    require_bucket(connection, record.bucket)
    replaced = _remove(connection, record.bucket, record.key, condition)
    connection.execute(sa.insert(OBJECTS).values(**_row(record)))
    return replaced


def _remove(connection: sa.Connection, bucket: str, key: str, condition: Condition) -> list[str]:
    place = _place(bucket, key)
    old = connection.execute(sa.select(OBJECTS.c.etag, OBJECTS.c.blobs).where(*place)).first()
    _hold(condition, old.etag if old else None, key)
    if old is None:
        return []
    connection.execute(sa.delete(OBJECTS).where(*place))
    return [blob_id for blob_id, _ in old.blobs]


def _hold(condition: Condition, etag: str | None, key: str) -> None:
    failed = "At least one of the pre-conditions you specified did not hold"
    if condition.absent and etag is not None:
        raise Fault("PreconditionFailed", failed, Condition="If-None-Match")
    if condition.etag is None:
        return
    if etag is None:
        raise Fault("NoSuchKey", "The specified key does not exist.", Key=key)
    if condition.etag not in ("*", etag):
        raise Fault("PreconditionFailed", failed, Condition="If-Match")


def _context(bucket: str, key: str) -> dict[str, str]:
    """What an object's wrapped data key is bound to, as S3 binds it."""
    return {"aws:s3:arn": f"arn:aws:s3:::{bucket}/{key}"}


def _watched(chunks: Iterable[bytes], digests: Digests) -> Iterator[bytes]:
    for chunk in chunks:
        digests.update(chunk)
        yield chunk


def _place(bucket: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return OBJECTS.c.bucket == bucket, OBJECTS.c.key == key.encode()


def _row(record: ObjectRecord) -> dict[str, Any]:
    return {
        "bucket": record.bucket,
        "key": record.key.encode(),
        "size": record.size,
        "etag": record.etag,
        "modified_at": record.modified_at,
        "blobs": [[blob.id, blob.size] for blob in record.blobs],
        "content": dict(record.description.content),
        "metadata": dict(record.description.metadata),
        "tags": dict(record.description.tags),
        "checksums": dict(record.checksums),
        "checksum_type": record.checksum_type,
        "encryption": None if record.encryption is None else record.encryption.to_json(),
    }


def _record(row: sa.RowMapping) -> ObjectRecord:
    return ObjectRecord(
        bucket=row["bucket"],
        key=bytes(row["key"]).decode(),
        size=row["size"],
        etag=row["etag"],
        modified_at=row["modified_at"],
        blobs=tuple(Blob(*blob) for blob in row["blobs"]),
        description=Description(content=row["content"], metadata=row["metadata"], tags=row["tags"]),
        checksums=row["checksums"],
        checksum_type=row["checksum_type"],
        encryption=KmsEncryption.of(row["encryption"]),
    )
