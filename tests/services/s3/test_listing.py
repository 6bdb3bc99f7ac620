"""Lists of objects, by the functions themselves."""

from typing import Any

import pytest

from outcrop.domain.errors import Fault

KEYS = ["a/1", "a/2", "b/1", "c d+é", "e"]


@pytest.fixture
def filled(s3: Any) -> Any:
    for key in KEYS:
        s3("PutObject", Bucket="data", Key=key, Body=b"x")
    return s3


def test_a_list_goes_on_where_it_ended(filled: Any) -> None:
    keys, prefixes, more = [], [], {}
    while True:
        page = filled("ListObjectsV2", Bucket="data", MaxKeys=1, Delimiter="/", **more)
        assert page["KeyCount"] == 1
        keys += [row["Key"] for row in page["Contents"]]
        prefixes += [row["Prefix"] for row in page["CommonPrefixes"]]
        if not page["IsTruncated"]:
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    assert (keys, prefixes) == (["c d+é", "e"], ["a/", "b/"])


def test_the_first_version_goes_on_too(filled: Any) -> None:
    first = filled("ListObjects", Bucket="data", MaxKeys=2, Delimiter="/")
    assert (first["IsTruncated"], first["NextMarker"]) == (True, "b/")
    second = filled("ListObjects", Bucket="data", Marker="b/", Delimiter="/")
    assert [row["Key"] for row in second["Contents"]] == ["c d+é", "e"]
    assert second["Contents"][0]["Owner"] == filled("ListBuckets")["Owner"]


def test_a_row_says_what_a_head_would(filled: Any) -> None:
    (row,) = filled("ListObjectsV2", Bucket="data", StartAfter="d", FetchOwner=True)["Contents"]
    assert row["ETag"] == filled("HeadObject", Bucket="data", Key="e")["ETag"]
    assert (row["Size"], row["StorageClass"], row["ChecksumAlgorithm"]) == (1, "STANDARD", ["CRC64NVME"])
    assert "Owner" in row
    assert "Owner" not in filled("ListObjectsV2", Bucket="data")["Contents"][0]


def test_keys_are_percent_encoded_where_that_is_asked_for(filled: Any) -> None:
    page = filled("ListObjectsV2", Bucket="data", EncodingType="url", Prefix="c d", StartAfter="a b", Delimiter="é")
    assert page["EncodingType"] == "url"
    assert (page["Prefix"], page["StartAfter"], page["Delimiter"]) == ("c%20d", "a%20b", "%C3%A9")
    assert page["CommonPrefixes"] == [{"Prefix": "c%20d%2B%C3%A9"}]
    page = filled("ListObjects", Bucket="data", EncodingType="url", Prefix="c")
    assert [row["Key"] for row in page["Contents"]] == ["c%20d%2B%C3%A9"]


def test_at_most_a_thousand_are_listed_and_none_is_no_page(filled: Any) -> None:
    assert filled("ListObjectsV2", Bucket="data", MaxKeys=5000)["MaxKeys"] == 1000
    assert filled("ListObjectsV2", Bucket="data", MaxKeys=0)["IsTruncated"] is False


@pytest.mark.parametrize("request_of", [{"ContinuationToken": "?"}, {"ContinuationToken": "_w=="}, {"MaxKeys": -1}])
def test_what_cannot_be_listed_is_refused(s3: Any, request_of: dict[str, Any]) -> None:
    with pytest.raises(Fault) as caught:
        s3("ListObjectsV2", Bucket="data", **request_of)
    assert caught.value.code == "InvalidArgument"


def test_every_object_has_one_version(filled: Any) -> None:
    page = filled("ListObjectVersions", Bucket="data", MaxKeys=1)
    assert [(row["Key"], row["VersionId"], row["IsLatest"]) for row in page["Versions"]] == [("a/1", "null", True)]
    assert (page["NextKeyMarker"], page["NextVersionIdMarker"]) == ("a/1", "null")
