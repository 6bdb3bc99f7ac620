"""A job's view of the buckets is its role's: what policies deny the role, the job does not see."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from outcrop.domain.errors import JobFailure
from outcrop.store.buckets import Buckets
from outcrop.worker.access import Place, RoleAccess

pytestmark = pytest.mark.xdist_group("worker")


TRAIN = Place("rocks", "train.jsonl")


def access_of(scene: Any, clock: Callable[[], datetime] | None = None) -> RoleAccess:
    return RoleAccess(objects=scene.ground.objects, job=scene.queue("job"), clock=clock or scene.ground.clock)


def deny(scene: Any, condition: dict[str, Any]) -> None:
    said = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": [said]})
    scene.ask("iam", "PutRolePolicy", RoleName="Customizer", PolicyName="deny", PolicyDocument=document)


def test_a_denial_on_the_roles_tags_is_heard(scene: Any) -> None:
    access = access_of(scene)
    deny(scene, {"StringEquals": {"aws:PrincipalTag/closed": "yes"}})
    with access.open(Place("rocks", "train.jsonl")) as (file, _):
        assert file.read(1)
    scene.ask("iam", "TagRole", RoleName="Customizer", Tags=[{"Key": "closed", "Value": "yes"}])
    with pytest.raises(JobFailure, match="explicitly denied"), access.open(Place("rocks", "train.jsonl")):
        pass


def test_a_denial_on_the_time_is_heard_from_then_on(scene: Any) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    access = access_of(scene, lambda: now)
    deny(scene, {"DateGreaterThan": {"aws:CurrentTime": "2026-03-02T00:00:00Z"}})
    assert access.find(TRAIN) is not None
    now = datetime(2026, 3, 3, tzinfo=UTC)
    with pytest.raises(JobFailure, match="explicitly denied"):
        access.find(TRAIN)


def test_a_denial_on_the_region_is_heard(scene: Any) -> None:
    deny(scene, {"StringEquals": {"aws:RequestedRegion": "us-east-1"}})
    with pytest.raises(JobFailure, match="explicitly denied"):
        access_of(scene).find(TRAIN)


@pytest.mark.parametrize("key", ["s3:ExistingObjectTag/closed", "aws:ResourceTag/closed"])
def test_a_denial_on_the_tags_of_object_or_bucket_is_heard(scene: Any, key: str) -> None:
    access, objects = access_of(scene), scene.ground.objects
    deny(scene, {"StringEquals": {key: "yes"}})
    assert access.find(TRAIN) is not None
    if key.startswith("s3:"):
        objects.set_tags(TRAIN.bucket, TRAIN.key, {"closed": "yes"})
    else:
        Buckets(objects.database).set_tags(TRAIN.bucket, {"closed": "yes"})
    with pytest.raises(JobFailure, match="explicitly denied"):
        access.find(TRAIN)
