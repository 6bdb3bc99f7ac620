"""What is set on a bucket, by the functions themselves."""

import json
from typing import Any

import pytest

from outcrop.domain.errors import Fault


def refused(s3: Any, operation: str, **request: Any) -> str:
    with pytest.raises(Fault) as caught:
        s3(operation, Bucket="data", **request)
    return caught.value.code


def policy(resource: str = "arn:aws:s3:::data/*") -> str:
    who = {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**who, "Action": "s3:GetObject", "Resource": resource}]})


def test_a_policy_is_kept_as_it_was_put(s3: Any) -> None:
    assert refused(s3, "GetBucketPolicy") == "NoSuchBucketPolicy"
    s3("PutBucketPolicy", Bucket="data", Policy=policy())
    assert s3("GetBucketPolicy", Bucket="data")["Policy"] == policy()
    assert s3("GetBucketPolicyStatus", Bucket="data")["PolicyStatus"] == {"IsPublic": False}
    s3("DeleteBucketPolicy", Bucket="data")
    assert refused(s3, "GetBucketPolicyStatus") == "NoSuchBucketPolicy"


@pytest.mark.parametrize("document", ["{", "{}", policy("arn:aws:s3:::other/*"), policy("arn:aws:s3:::data2")])
def test_a_policy_that_cannot_hold_is_malformed(s3: Any, document: str) -> None:
    assert refused(s3, "PutBucketPolicy", Policy=document) == "MalformedPolicy"


def test_a_policy_has_a_greatest_size(s3: Any) -> None:
    assert refused(s3, "PutBucketPolicy", Policy=policy() + " " * 20_480) == "PolicyTooLarge"


def test_tags_are_put_and_got_and_deleted(s3: Any) -> None:
    assert refused(s3, "GetBucketTagging") == "NoSuchTagSet"
    tags = {"TagSet": [{"Key": "a", "Value": "1"}]}
    s3("PutBucketTagging", Bucket="data", Tagging=tags)
    assert s3("GetBucketTagging", Bucket="data") == tags
    s3("DeleteBucketTagging", Bucket="data")
    assert refused(s3, "GetBucketTagging") == "NoSuchTagSet"


def test_what_is_true_of_every_bucket_may_be_asked_and_asked_for(s3: Any) -> None:
    encryption = s3("GetBucketEncryption", Bucket="data")["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    s3("PutBucketEncryption", Bucket="data", ServerSideEncryptionConfiguration=encryption)
    block = s3("GetPublicAccessBlock", Bucket="data")
    s3("PutPublicAccessBlock", Bucket="data", **block)
    s3("PutBucketOwnershipControls", Bucket="data", **s3("GetBucketOwnershipControls", Bucket="data"))
    s3("PutBucketAcl", Bucket="data", ACL="private")
    assert s3("GetBucketAcl", Bucket="data")["Grants"][0]["Permission"] == "FULL_CONTROL"
    assert s3("GetBucketVersioning", Bucket="data") == {}
    s3("PutObject", Bucket="data", Key="a", Body=b"")
    s3("PutObjectAcl", Bucket="data", Key="a", ACL="bucket-owner-full-control")
    assert s3("GetObjectAcl", Bucket="data", Key="a") == s3("GetBucketAcl", Bucket="data")


@pytest.mark.parametrize(
    ("operation", "request_of"),
    [
        (
            "PutBucketEncryption",
            {
                "ServerSideEncryptionConfiguration": {
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
                }
            },
        ),
        ("PutPublicAccessBlock", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}}),
        ("PutBucketOwnershipControls", {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
        ("PutBucketAcl", {"ACL": "public-read"}),
        ("PutBucketAcl", {"AccessControlPolicy": {"Grants": []}}),
    ],
)
def test_what_would_not_be_true_is_refused(s3: Any, operation: str, request_of: dict[str, Any]) -> None:
    assert refused(s3, operation, **request_of) == "NotImplemented"


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("GetBucketCors", "NoSuchCORSConfiguration"),
        ("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
        ("GetBucketReplication", "ReplicationConfigurationNotFoundError"),
        ("GetBucketWebsite", "NoSuchWebsiteConfiguration"),
        ("GetObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
    ],
)
def test_what_no_bucket_has_is_not_found(s3: Any, operation: str, code: str) -> None:
    assert refused(s3, operation) == code
