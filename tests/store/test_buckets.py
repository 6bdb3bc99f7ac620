"""Buckets in the database."""

from datetime import datetime

import pytest

from outcrop.domain.errors import Fault
from outcrop.store.buckets import Buckets, require_bucket
from outcrop.store.database import Database


def test_a_bucket_is_remembered_with_its_region_and_tags(database: Database, noon: datetime) -> None:
    buckets = Buckets(database)
    assert buckets.create("data", "eu-west-1", noon, {"team": "stone"})
    found = buckets.find("data")
    assert found is not None
    assert (found.region, found.created_at, found.policy, found.tags) == ("eu-west-1", noon, None, {"team": "stone"})
    assert buckets.exists("data")
    assert buckets.region("data") == "eu-west-1"


def test_a_name_is_given_once(database: Database, noon: datetime) -> None:
    buckets = Buckets(database)
    assert buckets.create("data", "eu-west-1", noon)
    assert not buckets.create("data", "us-west-2", noon)
    assert buckets.region("data") == "eu-west-1"


def test_what_is_not_there_is_not_found(database: Database) -> None:
    buckets = Buckets(database)
    assert buckets.find("none") is None
    assert buckets.region("none") is None
    with database.read() as connection, pytest.raises(Fault) as caught:
        require_bucket(connection, "none")
    assert caught.value.code == "NoSuchBucket"


def test_policy_and_tags_can_be_set_and_taken_away(database: Database, noon: datetime) -> None:
    buckets = Buckets(database)
    buckets.create("data", "us-east-1", noon)
    buckets.set_policy("data", "{}")
    buckets.set_tags("data", {"a": "1"})
    assert [(bucket.policy, bucket.tags) for bucket in buckets.every()] == [("{}", {"a": "1"})]
    buckets.set_policy("data", None)
    assert [(bucket.policy, bucket.tags) for bucket in buckets.every()] == [(None, {"a": "1"})]
