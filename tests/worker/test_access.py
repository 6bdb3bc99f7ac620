"""A job's view of the buckets is its role's: what policies deny the role, the job does not see."""

import json
from typing import Any

import pytest

from outcrop.domain.errors import JobFailure
from outcrop.worker.access import Place, RoleAccess

pytestmark = pytest.mark.xdist_group("worker")


def test_a_denial_on_the_roles_tags_is_heard(scene: Any) -> None:
    access = RoleAccess(objects=scene.ground.objects, job=scene.queue("job"))
    deny = {
        "Effect": "Deny",
        "Action": "s3:GetObject",
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/closed": "yes"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    scene.ask("iam", "PutRolePolicy", RoleName="Customizer", PolicyName="deny", PolicyDocument=document)
    with access.open(Place("rocks", "train.jsonl")) as (file, _):
        assert file.read(1)
    scene.ask("iam", "TagRole", RoleName="Customizer", Tags=[{"Key": "closed", "Value": "yes"}])
    with pytest.raises(JobFailure, match="explicitly denied"), access.open(Place("rocks", "train.jsonl")):
        pass
