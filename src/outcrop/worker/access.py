"""A job's view of the buckets: only what its role's policies allow. Knows nothing of rows or training.

The fragments of the messages are what Bedrock's clients look for in a failed job's `failureMessage`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from outcrop import policy
from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault, JobFailure
from outcrop.store.blobs import ObjectReader
from outcrop.store.objects import Objects

WRITE_PROBE = ".write_access_check_file.tmp"


@dataclass(frozen=True, slots=True)
class Place:
    """A bucket and a key (or a prefix, where the URI names one)."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str) -> "Place":
        """The parts of `s3://bucket/key`, which the API has already checked."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    @property
    def file_name(self) -> str:
        """The last part of the key: how messages name the file."""
        return self.key.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAccess:
    """The objects as one role may touch them."""

    objects: Objects
    role_arn: str
    account: str
    documents: Sequence[Mapping[str, Any]]

    def may(self, action: str, place: Place) -> bool:
        """Whether the role's policies allow an action on an object."""
        request = policy.AccessRequest(
            action=action,
            resource=arns.s3_object(place.bucket, place.key),
            principal_arn=self.role_arn,
            account=self.account,
            context={"aws:SourceAccount": self.account, "aws:SecureTransport": True},
        )
        return policy.evaluate(request, identity=self.documents).allowed

    @contextmanager
    def open(self, place: Place) -> Iterator[IO[bytes]]:
        """The object's bytes as a file. Raises JobFailure where the role may not read it or it does not exist."""
        with self._reader(place).as_file() as file:
            yield file

    def put(self, place: Place, content: bytes, content_type: str) -> None:
        """Write an object. Raises JobFailure where the role may not, or the bucket does not exist."""
        if not self.may("s3:PutObject", place):
            raise JobFailure(_cannot_write(place, f"no policy of {self.role_arn} allows s3:PutObject there"))
        try:
            self.objects.put(place.bucket, place.key, [content], content_type=content_type)
        except Fault as fault:
            raise JobFailure(_cannot_write(place, fault.message)) from fault

    def probe_write(self, folder: Place) -> None:
        """Write and remove a small object below the folder, as Bedrock does before it starts to work."""
        probe = Place(folder.bucket, folder.key.rstrip("/") + "/" + WRITE_PROBE if folder.key else WRITE_PROBE)
        self.put(probe, b"", "application/octet-stream")
        self.objects.remove(probe.bucket, [probe.key])

    def _reader(self, place: Place) -> ObjectReader:
        if not self.may("s3:GetObject", place):
            raise JobFailure(_cannot_read(place, f"no policy of {self.role_arn} allows s3:GetObject on it"))
        record = self.objects.get(place.bucket, place.key)
        if record is None:
            raise JobFailure(_cannot_read(place, "there is no such object"))
        return self.objects.open(record)


def _cannot_read(place: Place, why: str) -> str:
    where = f"bucket: {place.bucket} at key {place.key}"
    return f"Could not validate GetObject permissions to access Amazon S3 {where}: {why}."


def _cannot_write(place: Place, why: str) -> str:
    return (
        "Could not write to the output location, perms missing (PutObject) for bucket: "
        f"{place.bucket} at key {place.key}: {why}."
    )
