"""Where an S3 operation finds its buckets and objects, and the checks that nearly all of them begin with."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Ground
from outcrop.store.buckets import Bucket, Buckets, no_such_bucket
from outcrop.store.keys import Keys
from outcrop.store.object_key import object_key
from outcrop.store.objects import ObjectRecord, Objects
from outcrop.store.uploads import Uploads

LONGEST_KEY = 1024
_REPLACED_MEANWHILE = 5  # looks at an object that is replaced under our hands
Opened = TypeVar("Opened")


def buckets(call: Call) -> Buckets:
    """All buckets."""
    return Buckets(call.ground.database)


@lru_cache(maxsize=4)
def _objects(ground: Ground) -> Objects:
    key = object_key(ground.database, ground.master_key)
    keys = Keys(ground.database, ground.master_key)
    return Objects(ground.database, ground.settings.objects_folder, key, ground.clock, keys)


def objects(call: Call) -> Objects:
    """All objects."""
    return _objects(call.ground)


def uploads(call: Call) -> Uploads:
    """All multipart uploads."""
    return Uploads(objects(call))


def bucket_of(call: Call, request: dict[str, Any]) -> Bucket:
    """The request's bucket. Raises NoSuchBucket, or AccessDenied where the request expects another owner."""
    expect_owner(call, request.get("ExpectedBucketOwner"))
    bucket = buckets(call).find(request["Bucket"])
    if bucket is None:
        raise no_such_bucket(request["Bucket"])
    return bucket


def object_of(call: Call, request: dict[str, Any]) -> ObjectRecord:
    """The request's object. Raises NoSuchBucket, NoSuchVersion or NoSuchKey."""
    bucket_of(call, request)
    key = key_of(request)
    require_only_version(request.get("VersionId"), key)
    record = objects(call).get(request["Bucket"], key)
    if record is None:
        raise no_such_key(key)
    return record


def until_opened(look_and_open: Callable[[], Opened]) -> Opened:
    """What `look_and_open` gives. An object that is replaced between the look and the opening is looked at again."""
    for _ in range(_REPLACED_MEANWHILE):
        with suppress(FileNotFoundError):
            return look_and_open()
    raise Fault("ServiceUnavailable", "The object is being replaced faster than it can be read. Please try again.")


def key_of(request: dict[str, Any]) -> str:
    """The request's key, which any UTF-8 of at most 1024 bytes can be."""
    key: str = request["Key"]
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise Fault("InvalidURI", "Couldn't parse the specified URI: a key is UTF-8.") from None
    if length > LONGEST_KEY:
        size = {"Size": str(length), "MaxSizeAllowed": str(LONGEST_KEY)}
        raise Fault("KeyTooLongError", "Your key is too long", **size)
    return key


def no_such_key(key: str) -> Fault:
    """The answer to a key that has no object."""
    return Fault("NoSuchKey", "The specified key does not exist.", Key=key)


def require_only_version(version: str | None, key: str) -> None:
    """Without versioning an object has one version, which S3 calls `null`."""
    if version not in (None, "null"):
        raise Fault("NoSuchVersion", "The specified version does not exist.", Key=key, VersionId=version)


def expect_owner(call: Call, expected: str | None) -> None:
    """Raise AccessDenied where the request expects another account to own the bucket."""
    if expected not in (None, call.ground.account):
        raise Fault("AccessDenied", "Access Denied")


def owner(call: Call) -> dict[str, str]:
    """The account as S3 shows an owner: a canonical id of 64 hex digits."""
    return {"ID": hashlib.sha256(f"outcrop account {call.ground.account}".encode()).hexdigest()}


def quoted(etag: str) -> str:
    """An ETag as HTTP writes it."""
    return f'"{etag}"'
