"""A job's view of the buckets: only what its role may do there. Knows nothing of rows or training.

The fragments of the messages are what Bedrock's clients look for in a failed job's `failureMessage`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any, Protocol

from outcrop import policy
from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault, JobFailure
from outcrop.store import identities
from outcrop.store.buckets import Bucket, Buckets
from outcrop.store.key_listing import Question
from outcrop.store.objects import ObjectRecord, Objects

WRITE_PROBE = ".write_access_check_file.tmp"
SERVICE = "bedrock.amazonaws.com"
EXISTING_OBJECT_TAG = "s3:ExistingObjectTag"
CANNOT_READ = "Could not validate GetObject permissions to access Amazon S3 bucket: {bucket} at key {key}: {why}."
CANNOT_LIST = "Could not validate ListBucket permissions to access Amazon S3 bucket: {bucket} at key {key}: {why}."
CANNOT_WRITE = (
    "Could not write to the output location, perms missing (PutObject) for bucket: {bucket} at key {key}: {why}."
)
_NO_CONTEXT: Mapping[str, Any] = {}


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

    def below(self, name: str) -> "Place":
        """A name below this prefix."""
        return Place(self.bucket, f"{self.key.rstrip('/')}/{name}" if self.key else name)

    @property
    def file_name(self) -> str:
        """The last part of the key: how messages name the file."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def uri(self) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


class Assuming(Protocol):
    """A job of any kind: what it is called, and the role that it acts as."""

    @property
    def id(self) -> str:
        """The job's id."""

    @property
    def name(self) -> str:
        """The job's name."""

    @property
    def arn(self) -> str:
        """The job's own ARN."""

    @property
    def region(self) -> str:
        """Where it was asked for."""

    @property
    def account(self) -> str:
        """Whose job it is."""

    @property
    def role_arn(self) -> str:
        """The role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAccess:
    """The objects as one job's role may touch them: its policies are read anew each time, as they are now."""

    objects: Objects
    job: Assuming
    clock: Callable[[], datetime]

    @contextmanager
    def open(self, place: Place, seen: ObjectRecord | None = None) -> Iterator[tuple[IO[bytes], ObjectRecord]]:
        """The object's bytes as a file, and what it is.

        Raises JobFailure where the role may not read it, where it does not exist, or is not what was `seen` before.
        """
        record = self.find(place)
        if record is None:
            raise _said(CANNOT_READ, place, self._why_missing(place))
        if seen is not None and record.etag != seen.etag:
            raise JobFailure(f"{place.uri} was replaced after it had been checked: start the job again.")
        with self.objects.open(record).as_file() as file:
            yield file, record

    def find(self, place: Place) -> ObjectRecord | None:
        """The object as it is now, or None. Raises JobFailure where the role may not read it, be it there or not."""
        record = self.objects.get(place.bucket, place.key)
        tags = {} if record is None else policy.tag_facts(record.description.tags, EXISTING_OBJECT_TAG)
        self._check("s3:GetObject", _object(place), place, CANNOT_READ, tags)
        return record

    def below(self, folder: Place) -> Iterator[ObjectRecord]:
        """Every object whose key begins with the folder's, in byte order.

        Raises JobFailure where the role may not list the bucket, or it does not exist.
        """
        self._check("s3:ListBucket", arns.s3_bucket(folder.bucket), folder, CANNOT_LIST, {"s3:prefix": folder.key})
        if not Buckets(self.objects.database).exists(folder.bucket):
            raise _said(CANNOT_LIST, folder, "there is no such bucket")
        question = Question(prefix=folder.key.encode())
        while True:
            page = self.objects.list(folder.bucket, question)
            yield from page.rows
            if not page.truncated:
                return
            question = replace(question, after=page.last)

    def put(self, place: Place, content: bytes, content_type: str) -> None:
        """Write an object. Raises JobFailure where the role may not, or the bucket does not exist."""
        self.put_all(place, [content], content_type)

    def put_all(self, place: Place, chunks: Iterable[bytes], content_type: str, kms_key_arn: str | None = None) -> None:
        """Write an object of any size, under a KMS key where one is named.

        Raises JobFailure as `put` does, and where the key cannot be used; nothing is written where `chunks` raises.
        """
        self._check("s3:PutObject", _object(place), place, CANNOT_WRITE)
        try:
            if kms_key_arn is None:
                self.objects.put(place.bucket, place.key, chunks, content_type=content_type)
            else:
                self.objects.put_under(kms_key_arn, place.bucket, place.key, chunks, content_type)
        except Fault as fault:
            raise _said(CANNOT_WRITE, place, fault.message) from fault

    def probe_write(self, folder: Place) -> None:
        """Write and remove a small object below the folder, as Bedrock does before it starts to work."""
        probe = folder.below(WRITE_PROBE)
        self.put(probe, b"", "application/octet-stream")
        self.objects.remove(probe.bucket, [probe.key])

    def _check(
        self, action: str, resource: str, place: Place, sentence: str, context: Mapping[str, Any] = _NO_CONTEXT
    ) -> None:
        role, papers = self._role()
        bucket = Buckets(self.objects.database).find(place.bucket)
        decision = policy.evaluate(
            policy.AccessRequest(
                action=action,
                resource=resource,
                principal_arn=self.job.role_arn,
                account=self.job.account,
                context={
                    **self._circumstances(),
                    "aws:SecureTransport": True,
                    **policy.tag_facts(role.tags, policy.PRINCIPAL),
                    **_tags_of(bucket),
                    **context,
                },
            ),
            identity=papers.identity,
            boundary=papers.boundary,
            resource=None if bucket is None else bucket.policy,
        )
        if not decision.allowed:
            raise _said(sentence, place, f"the role {self.job.role_arn} may not {action} there ({decision.reason})")

    def _circumstances(self) -> dict[str, Any]:
        now = self.clock()
        return {
            "aws:CurrentTime": now.isoformat(),
            "aws:EpochTime": int(now.timestamp()),
            "aws:RequestedRegion": self.job.region,
            "aws:SourceAccount": self.job.account,
        }

    def _role(self) -> tuple[identities.Entity, identities.Papers]:
        """The role, and what it may do. Raises JobFailure where it is gone, or trusts Bedrock no more."""
        with self.objects.database.read() as connection:
            role = identities.find(connection, identities.Kind.ROLE, self.job.role_arn.rsplit("/", 1)[-1])
            if role is None or role.arn != self.job.role_arn:
                raise JobFailure(f"Could not assume provided IAM role {self.job.role_arn}: it does not exist.")
            papers = identities.papers_of(connection, role)
        context = {**self._circumstances(), "aws:SourceArn": self.job.arn}
        if role.trust is None or not policy.trusts(policy.parse(role.trust), SERVICE, context):
            raise JobFailure(
                f"Could not assume provided IAM role {role.arn}: its trust policy must allow sts:AssumeRole to "
                f"{SERVICE}."
            )
        return role, papers

    def _why_missing(self, place: Place) -> str:
        exists = Buckets(self.objects.database).exists(place.bucket)
        return "there is no such object" if exists else "there is no such bucket"


def _tags_of(bucket: Bucket | None) -> dict[str, Any]:
    return {} if bucket is None else policy.tag_facts(bucket.tags, policy.RESOURCE)


def _object(place: Place) -> str:
    return arns.s3_object(place.bucket, place.key)


def _said(sentence: str, place: Place, why: str) -> JobFailure:
    return JobFailure(sentence.format(bucket=place.bucket, key=place.key, why=why.rstrip(".")))
