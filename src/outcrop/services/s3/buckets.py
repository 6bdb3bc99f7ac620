"""Buckets: created in a Region, listed, found, deleted. Names are unique over the whole server.

A bucket can be used through every Region's endpoint: there is one server, so AWS's redirects would only get in the way.
"""

import base64
import re
from typing import Any

from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.s3 import tag_sets
from outcrop.services.s3.descriptions import in_milliseconds
from outcrop.services.s3.ground import bucket_of, buckets, owner, uploads
from outcrop.services.s3.unserved import not_done, refuse_unserved
from outcrop.store.buckets import Bucket

_FIRST_REGION = "us-east-1"  # S3's oldest endpoint has rules of its own
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", "--x-s3", ".mrap")
_BUCKETS_A_PAGE = 10_000


def create_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """CreateBucket."""
    refuse_unserved(request)
    name, configuration = request["Bucket"], request.get("CreateBucketConfiguration") or {}
    if configuration.get("Location") or configuration.get("Bucket"):
        raise not_done("directory buckets")
    _check_name(name)
    region = _region(call.region, configuration.get("LocationConstraint"))
    tags = tag_sets.from_set({"TagSet": configuration.get("Tags") or []}, tag_sets.BUCKET_TAGS)
    if not buckets(call).create(name, region, call.at, tags):
        _check_recreation(call, name)
    return {"Location": f"/{name}", "BucketArn": f"arn:aws:s3:::{name}"}


def head_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """HeadBucket."""
    bucket = bucket_of(call, request)
    return {"BucketRegion": bucket.region, "BucketArn": f"arn:aws:s3:::{bucket.name}"}


def get_bucket_location(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetBucketLocation: us-east-1 is said by saying nothing."""
    region = bucket_of(call, request).region
    return {} if region == _FIRST_REGION else {"LocationConstraint": region}


def delete_bucket(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteBucket."""
    name = bucket_of(call, request).name
    if not uploads(call).delete_bucket(name):
        raise Fault("BucketNotEmpty", "The bucket you tried to delete is not empty", BucketName=name)
    return {}


def list_buckets(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """ListBuckets, a page of them where MaxBuckets is given."""
    prefix, region = request.get("Prefix", ""), request.get("BucketRegion")
    after = _after(request.get("ContinuationToken"))
    found = [
        bucket
        for bucket in buckets(call).every()
        if bucket.name > after and bucket.name.startswith(prefix) and region in (None, bucket.region)
    ]
    limit = request.get("MaxBuckets", _BUCKETS_A_PAGE)
    page = found[:limit]
    result: dict[str, Any] = {"Buckets": [_shown(bucket) for bucket in page], "Owner": owner(call)}
    if len(found) > limit:
        result["ContinuationToken"] = base64.urlsafe_b64encode(page[-1].name.encode()).decode()
    return result | ({"Prefix": prefix} if prefix else {})


def _check_name(name: str) -> None:
    wrong = not _NAME.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name)
    if wrong or name.startswith(("xn--", "sthree-")) or name.endswith(_RESERVED_ENDS):
        raise Fault("InvalidBucketName", "The specified bucket is not valid.", BucketName=name)


def _region(endpoint: str, constraint: str | None) -> str:
    constraint = {"EU": "eu-west-1"}.get(constraint or "", constraint)
    if endpoint == _FIRST_REGION:
        if constraint is None:
            return _FIRST_REGION
        if constraint == _FIRST_REGION or not _REGION.fullmatch(constraint):
            raise Fault("InvalidLocationConstraint", "The specified location-constraint is not valid")
        return constraint
    if constraint != endpoint:
        raise Fault(
            "IllegalLocationConstraintException",
            f"The {constraint or 'unspecified'} location constraint is incompatible for the region specific endpoint"
            " this request was sent to.",
        )
    return endpoint


def _check_recreation(call: Call, name: str) -> None:
    """Creating one's own bucket again is an error, except in us-east-1, where old scripts rely on it."""
    if call.region == _FIRST_REGION and buckets(call).region(name) == _FIRST_REGION:
        return
    sentence = "Your previous request to create the named bucket succeeded and you already own it."
    raise Fault("BucketAlreadyOwnedByYou", sentence, BucketName=name)


def _after(token: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(token or "").decode()
    except ValueError:
        sentence = "The continuation token provided is incorrect"
        raise Fault("InvalidArgument", sentence, ArgumentName="continuation-token") from None


def _shown(bucket: Bucket) -> dict[str, Any]:
    return {
        "Name": bucket.name,
        "CreationDate": in_milliseconds(bucket.created_at),
        "BucketRegion": bucket.region,
        "BucketArn": f"arn:aws:s3:::{bucket.name}",
    }


OPERATIONS: dict[str, Operation] = {
    "CreateBucket": create_bucket,
    "DeleteBucket": delete_bucket,
    "GetBucketLocation": get_bucket_location,
    "HeadBucket": head_bucket,
    "ListBuckets": list_buckets,
}
