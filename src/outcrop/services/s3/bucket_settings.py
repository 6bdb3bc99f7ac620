"""What is set on a bucket: policy and tags, kept; and the settings that every bucket here has, told as they are.

A Put that asks for what is true already (AES256, no public access, owner-enforced ownership) succeeds; one that asks
for anything else is refused, and so is every setting that Outcrop does not have.
"""

from typing import Any

from outcrop import policy
from outcrop.domain.errors import Fault
from outcrop.services.call import Call, Operation
from outcrop.services.s3 import tag_sets
from outcrop.services.s3.ground import bucket_of, buckets, object_of, owner
from outcrop.services.s3.unserved import not_done, refuse_unserved

_LONGEST_POLICY = 20 * 1024
_NOT_PUBLIC = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_ENCRYPTION = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
_ABSENT = {
    "GetBucketCors": ("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
    "GetBucketLifecycleConfiguration": (
        "NoSuchLifecycleConfiguration",
        "The lifecycle configuration does not exist",
    ),
    "GetBucketReplication": ("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
    "GetBucketWebsite": (
        "NoSuchWebsiteConfiguration",
        "The specified bucket does not have a website configuration",
    ),
    "GetObjectLockConfiguration": (
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
}


def put_bucket_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutBucketPolicy."""
    bucket = bucket_of(call, request)
    document = request["Policy"]
    if len(document.encode()) > _LONGEST_POLICY:
        raise Fault("PolicyTooLarge", f"A bucket policy has at most {_LONGEST_POLICY} bytes.")
    try:
        parsed = policy.parse(document, policy.Purpose.RESOURCE)
    except Fault as fault:
        raise Fault("MalformedPolicy", str(fault)) from fault
    _require_own_resources(parsed, f"arn:aws:s3:::{bucket.name}")
    buckets(call).set_policy(bucket.name, document)
    return {}


def get_bucket_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetBucketPolicy."""
    bucket = bucket_of(call, request)
    if bucket.policy is None:
        raise Fault("NoSuchBucketPolicy", "The bucket policy does not exist", BucketName=bucket.name)
    return {"Policy": bucket.policy}


def get_bucket_policy_status(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetBucketPolicyStatus: unsigned requests are refused, so no policy makes a bucket public."""
    get_bucket_policy(call, request)
    return {"PolicyStatus": {"IsPublic": False}}


def delete_bucket_policy(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteBucketPolicy."""
    buckets(call).set_policy(bucket_of(call, request).name, None)
    return {}


def put_bucket_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutBucketTagging."""
    bucket = bucket_of(call, request)
    buckets(call).set_tags(bucket.name, tag_sets.from_set(request["Tagging"], tag_sets.BUCKET_TAGS))
    return {}


def get_bucket_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetBucketTagging."""
    bucket = bucket_of(call, request)
    if not bucket.tags:
        raise Fault("NoSuchTagSet", "The TagSet does not exist", BucketName=bucket.name)
    return tag_sets.to_set(bucket.tags)


def delete_bucket_tagging(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """DeleteBucketTagging."""
    buckets(call).set_tags(bucket_of(call, request).name, {})
    return {}


def put_bucket_encryption(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutBucketEncryption, for what every object here has anyway."""
    bucket_of(call, request)
    for rule in request["ServerSideEncryptionConfiguration"]["Rules"]:
        default = rule.get("ApplyServerSideEncryptionByDefault") or {"SSEAlgorithm": "AES256"}
        if default != {"SSEAlgorithm": "AES256"} or rule.get("BucketKeyEnabled") or rule.get("BlockedEncryptionTypes"):
            raise not_done("bucket encryption other than AES256")
    return {}


def put_public_access_block(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutPublicAccessBlock, for a block of everything: nothing here is ever public."""
    bucket_of(call, request)
    if dict(request["PublicAccessBlockConfiguration"]) != _NOT_PUBLIC:
        raise not_done("a public access block that leaves something open")
    return {}


def put_bucket_ownership_controls(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutBucketOwnershipControls, for BucketOwnerEnforced."""
    bucket_of(call, request)
    for rule in request["OwnershipControls"]["Rules"]:
        refuse_unserved(rule)
    return {}


def put_acl(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """PutBucketAcl and PutObjectAcl, for the one ACL there is: the owner's."""
    if "Key" in request:
        object_of(call, request)
    bucket_of(call, request)
    refuse_unserved(request)
    return {}


def get_acl(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """GetBucketAcl and GetObjectAcl."""
    if "Key" in request:
        object_of(call, request)
    bucket_of(call, request)
    whose = owner(call)
    return {"Owner": whose, "Grants": [{"Grantee": {**whose, "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]}


def _require_own_resources(parsed: policy.Policy, arn: str) -> None:
    for statement in parsed.statements:
        for resource in statement.resources.values if statement.resources else ():
            if resource != arn and not resource.startswith(f"{arn}/"):
                raise Fault("MalformedPolicy", "Policy has invalid resource")


def _always(answer: dict[str, Any]) -> Operation:
    """An operation that answers the same of every bucket."""

    def operation(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        bucket_of(call, request)
        return dict(answer)

    return operation


def _never(code: str, sentence: str) -> Operation:
    """An operation that asks for what no bucket has."""

    def operation(call: Call, request: dict[str, Any]) -> dict[str, Any]:
        raise Fault(code, sentence, BucketName=bucket_of(call, request).name)

    return operation


_SAME: dict[str, dict[str, Any]] = {
    "DeleteBucketEncryption": {},
    "GetBucketAccelerateConfiguration": {},
    "GetBucketEncryption": {"ServerSideEncryptionConfiguration": {"Rules": [_ENCRYPTION]}},
    "GetBucketLogging": {},
    "GetBucketNotificationConfiguration": {},
    "GetBucketOwnershipControls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
    "GetBucketRequestPayment": {"Payer": "BucketOwner"},
    "GetBucketVersioning": {},
    "GetPublicAccessBlock": {"PublicAccessBlockConfiguration": _NOT_PUBLIC},
}

OPERATIONS: dict[str, Operation] = {
    "DeleteBucketPolicy": delete_bucket_policy,
    "DeleteBucketTagging": delete_bucket_tagging,
    "GetBucketAcl": get_acl,
    "GetBucketPolicy": get_bucket_policy,
    "GetBucketPolicyStatus": get_bucket_policy_status,
    "GetBucketTagging": get_bucket_tagging,
    "GetObjectAcl": get_acl,
    "PutBucketAcl": put_acl,
    "PutBucketEncryption": put_bucket_encryption,
    "PutBucketOwnershipControls": put_bucket_ownership_controls,
    "PutBucketPolicy": put_bucket_policy,
    "PutBucketTagging": put_bucket_tagging,
    "PutObjectAcl": put_acl,
    "PutPublicAccessBlock": put_public_access_block,
    **{name: _always(answer) for name, answer in _SAME.items()},
    **{name: _never(code, sentence) for name, (code, sentence) in _ABSENT.items()},
}
