"""Buckets, by the functions themselves."""

from typing import Any

import pytest

from outcrop.domain.errors import Fault


def refused(s3: Any, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        s3(operation, **request)
    return caught.value


@pytest.mark.parametrize(
    ("endpoint", "constraint", "lies_in"),
    [
        ("us-east-1", None, "us-east-1"),
        ("us-east-1", "us-west-2", "us-west-2"),
        ("us-east-1", "EU", "eu-west-1"),
        ("eu-west-1", "eu-west-1", "eu-west-1"),
        ("us-east-1", "us-east-1", "InvalidLocationConstraint"),
        ("us-east-1", "the moon", "InvalidLocationConstraint"),
        ("eu-west-1", None, "IllegalLocationConstraintException"),
        ("eu-west-1", "us-west-2", "IllegalLocationConstraintException"),
    ],
)
def test_a_bucket_lies_where_the_constraint_says(s3: Any, endpoint: str, constraint: str | None, lies_in: str) -> None:
    request = {"CreateBucketConfiguration": {"LocationConstraint": constraint}} if constraint else {}
    if lies_in[0].isupper():
        assert refused(s3.at(endpoint), "CreateBucket", Bucket="new", **request).code == lies_in
        return
    s3.at(endpoint)("CreateBucket", Bucket="new", **request)
    assert s3("HeadBucket", Bucket="new")["BucketRegion"] == lies_in
    assert s3("GetBucketLocation", Bucket="new").get("LocationConstraint", "us-east-1") == lies_in


def test_ones_own_bucket_again_is_an_error_but_in_us_east_1(s3: Any) -> None:
    assert s3("CreateBucket", Bucket="data")["Location"] == "/data"
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}
    assert refused(s3.at("us-west-2"), "CreateBucket", Bucket="data", **elsewhere).code == "BucketAlreadyOwnedByYou"
    s3.at("us-west-2")("CreateBucket", Bucket="west", **elsewhere)
    assert refused(s3.at("us-west-2"), "CreateBucket", Bucket="west", **elsewhere).code == "BucketAlreadyOwnedByYou"
    assert refused(s3, "CreateBucket", Bucket="west").code == "BucketAlreadyOwnedByYou"


@pytest.mark.parametrize("name", ["ab", "Upper", "a..b", "1.2.3.4", "-a-", "xn--x", "x-s3alias", "a_b", "a" * 64])
def test_a_name_that_no_bucket_may_have_is_refused(s3: Any, name: str) -> None:
    assert refused(s3, "CreateBucket", Bucket=name).code == "InvalidBucketName"


def test_only_an_empty_bucket_is_deleted(s3: Any) -> None:
    s3("PutObject", Bucket="data", Key="a", Body=b"x")
    assert refused(s3, "DeleteBucket", Bucket="data").code == "BucketNotEmpty"
    s3("DeleteObject", Bucket="data", Key="a")
    s3("DeleteBucket", Bucket="data")
    assert refused(s3, "HeadBucket", Bucket="data").code == "NoSuchBucket"


def test_buckets_are_listed_a_page_at_a_time(s3: Any) -> None:
    for name in ("aaa", "bbb", "ccc"):
        s3("CreateBucket", Bucket=name)
    names, more = [], {}
    while True:
        page = s3("ListBuckets", MaxBuckets=3, **more)
        names += [bucket["Name"] for bucket in page["Buckets"]]
        if "ContinuationToken" not in page:
            break
        more = {"ContinuationToken": page["ContinuationToken"]}
    assert names == ["aaa", "bbb", "ccc", "data"]
    assert [bucket["Name"] for bucket in s3("ListBuckets", Prefix="b")["Buckets"]] == ["bbb"]
    assert s3("ListBuckets", BucketRegion="eu-west-1")["Buckets"] == []
    assert refused(s3, "ListBuckets", ContinuationToken="\xff").code == "InvalidArgument"


def test_another_accounts_bucket_is_denied(s3: Any) -> None:
    assert refused(s3, "HeadBucket", Bucket="data", ExpectedBucketOwner="123456789012").code == "AccessDenied"
    assert s3("HeadBucket", Bucket="data", ExpectedBucketOwner=s3.call.ground.account)


def test_a_bucket_is_reached_from_every_region(s3: Any) -> None:
    s3.at("eu-west-1")("PutObject", Bucket="data", Key="a", Body=b"x")
    assert s3.at("us-west-2").read("data", "a") == b"x"


@pytest.mark.parametrize(
    "request_of",
    [
        {"ACL": "public-read"},
        {"ObjectLockEnabledForBucket": True},
        {"GrantRead": "id=x"},
        {"ObjectOwnership": "ObjectWriter"},
    ],
)
def test_what_is_not_done_is_refused(s3: Any, request_of: dict[str, Any]) -> None:
    assert refused(s3, "CreateBucket", Bucket="new", **request_of).code == "NotImplemented"
    directory = {"CreateBucketConfiguration": {"Location": {"Type": "AvailabilityZone", "Name": "x"}}}
    assert refused(s3, "CreateBucket", Bucket="new", **directory).code == "NotImplemented"
