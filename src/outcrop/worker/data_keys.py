"""A job's own data key: made by its first attempt, opened again by every later one. Knows no kind of job."""

from collections.abc import Callable
from typing import Protocol

from outcrop.domain.errors import Fault, JobFailure
from outcrop.store.keys import Keys
from outcrop.worker.ground import key_context


class Keyed(Protocol):
    """What a job's row says of its key."""

    @property
    def id(self) -> str:
        """What the key is bound to."""

    @property
    def kms_key_arn(self) -> str | None:
        """The KMS key that wraps it; None: the service's own."""

    @property
    def data_key(self) -> bytes | None:
        """The wrapped key, once an attempt has made it."""


def data_key_of(keys: Keys, job: Keyed, remember: Callable[[bytes], None]) -> bytes:
    """The key itself. A fresh one is given to `remember`, wrapped, before anything is sealed. Raises JobFailure."""
    context = key_context(job.id)
    try:
        if job.data_key is not None:
            return keys.unwrap(job.data_key, context)
        key, wrapped = keys.generate_data_key(job.kms_key_arn, context)
    except Fault as fault:
        raise JobFailure(f"The KMS key {job.kms_key_arn} cannot be used: {fault.message}") from fault
    remember(wrapped)
    return key
