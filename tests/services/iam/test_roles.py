"""Roles and what hangs on them, straight into the operations."""

import json
from typing import Any
from urllib.parse import unquote

import pytest

from outcrop.domain.errors import Fault
from outcrop.store import identities


def refused(code: str, iam: Any, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        iam(operation, **request)
    assert caught.value.code == code
    return caught.value


@pytest.fixture
def iam(service: Any, trust: str) -> Any:
    service("CreateRole", RoleName="trainer", AssumeRolePolicyDocument=trust)
    return service


def test_a_trust_policy_must_name_a_principal(service: Any, read: str) -> None:
    refused("MalformedPolicyDocument", service, "CreateRole", RoleName="r", AssumeRolePolicyDocument=read)


def test_a_trust_policy_is_changed_only_by_a_good_one(iam: Any, trust: str) -> None:
    changed = trust.replace("bedrock", "s3")
    iam("UpdateAssumeRolePolicy", RoleName="trainer", PolicyDocument=changed)
    refused("MalformedPolicyDocument", iam, "UpdateAssumeRolePolicy", RoleName="trainer", PolicyDocument="[]")
    assert unquote(iam("GetRole", RoleName="trainer")["Role"]["AssumeRolePolicyDocument"]) == changed


def test_a_trust_policy_has_its_quota(service: Any, trust: str) -> None:
    long = json.loads(trust)
    long["Statement"]["Sid"] = "x" * 2048
    refused("LimitExceeded", service, "CreateRole", RoleName="r", AssumeRolePolicyDocument=json.dumps(long))


def test_white_space_does_not_count(service: Any, trust: str) -> None:
    service("CreateRole", RoleName="r", AssumeRolePolicyDocument=trust + " " * 5000)


def test_a_role_is_changed(iam: Any) -> None:
    iam("UpdateRole", RoleName="trainer", Description="new", MaxSessionDuration=7200)
    role = iam("UpdateRoleDescription", RoleName="trainer", Description="newer")["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("newer", 7200)


def test_a_service_path_is_the_services(service: Any, trust: str) -> None:
    refused(
        "ValidationError",
        service,
        "CreateRole",
        RoleName="r",
        Path="/aws-service-role/x/",
        AssumeRolePolicyDocument=trust,
    )


def test_lists_leave_out_tags_and_boundary(iam: Any, trust: str) -> None:
    arn = "arn:aws:iam::aws:policy/PowerUserAccess"
    tags = [{"Key": "a", "Value": "1"}]
    iam("CreateRole", RoleName="full", AssumeRolePolicyDocument=trust, PermissionsBoundary=arn, Tags=tags)
    role = iam("GetRole", RoleName="full")["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    listed = iam("ListRoles")["Roles"]
    assert [one["RoleName"] for one in listed] == ["full", "trainer"]
    assert not {"Tags", "PermissionsBoundary"} & set(listed[0])


def test_a_boundary_comes_and_goes(iam: Any) -> None:
    arn = "arn:aws:iam::aws:policy/PowerUserAccess"
    iam("PutRolePermissionsBoundary", RoleName="trainer", PermissionsBoundary=arn)
    assert iam("GetPolicy", PolicyArn=arn)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    iam("DeleteRolePermissionsBoundary", RoleName="trainer")
    assert "PermissionsBoundary" not in iam("GetRole", RoleName="trainer")["Role"]
    refused("NoSuchEntity", iam, "PutRolePermissionsBoundary", RoleName="trainer", PermissionsBoundary=arn + "NotThere")


def test_attaching_twice_is_attaching_once(iam: Any) -> None:
    arn = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    iam("AttachRolePolicy", RoleName="trainer", PolicyArn=arn)
    iam("AttachRolePolicy", RoleName="trainer", PolicyArn=arn)
    assert len(iam("ListAttachedRolePolicies", RoleName="trainer")["AttachedPolicies"]) == 1
    iam("DetachRolePolicy", RoleName="trainer", PolicyArn=arn)
    refused("NoSuchEntity", iam, "DetachRolePolicy", RoleName="trainer", PolicyArn=arn)


def test_ten_policies_may_be_attached(iam: Any, read: str) -> None:
    arns = [iam("CreatePolicy", PolicyName=f"p{n}", PolicyDocument=read)["Policy"]["Arn"] for n in range(11)]
    for arn in arns[:10]:
        iam("AttachRolePolicy", RoleName="trainer", PolicyArn=arn)
    refused("LimitExceeded", iam, "AttachRolePolicy", RoleName="trainer", PolicyArn=arns[10])


def test_inline_policies_are_written_read_listed_deleted(iam: Any, read: str) -> None:
    for name in ("b", "a", "a"):
        iam("PutRolePolicy", RoleName="trainer", PolicyName=name, PolicyDocument=read)
    assert iam("ListRolePolicies", RoleName="trainer")["PolicyNames"] == ["a", "b"]
    assert unquote(iam("GetRolePolicy", RoleName="trainer", PolicyName="a")["PolicyDocument"]) == read
    iam("DeleteRolePolicy", RoleName="trainer", PolicyName="a")
    refused("NoSuchEntity", iam, "GetRolePolicy", RoleName="trainer", PolicyName="a")
    refused("NoSuchEntity", iam, "DeleteRolePolicy", RoleName="trainer", PolicyName="a")


def test_inline_policies_have_a_quota_together(iam: Any, read: str) -> None:
    long = json.loads(read)
    long["Statement"]["Sid"] = "x" * 6000
    iam("PutRolePolicy", RoleName="trainer", PolicyName="one", PolicyDocument=json.dumps(long))
    iam("PutRolePolicy", RoleName="trainer", PolicyName="one", PolicyDocument=json.dumps(long))
    refused(
        "LimitExceeded", iam, "PutRolePolicy", RoleName="trainer", PolicyName="two", PolicyDocument=json.dumps(long)
    )


def test_an_inline_policy_names_no_principal(iam: Any, trust: str) -> None:
    refused("MalformedPolicyDocument", iam, "PutRolePolicy", RoleName="trainer", PolicyName="p", PolicyDocument=trust)


def test_a_role_may_what_its_policies_say_together(iam: Any, read: str) -> None:
    arn = iam("CreatePolicy", PolicyName="p", PolicyDocument=read)["Policy"]["Arn"]
    iam("AttachRolePolicy", RoleName="trainer", PolicyArn=arn)
    iam("AttachRolePolicy", RoleName="trainer", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    iam("PutRolePolicy", RoleName="trainer", PolicyName="i", PolicyDocument=read.replace("Get", "Put"))
    with iam.call.ground.database.read() as connection:
        role = identities.find(connection, identities.Kind.ROLE, "trainer")
        assert role is not None
        documents = identities.documents(connection, role)
    actions = [str(document["Statement"]) for document in documents]
    assert len(actions) == 3
    assert "s3:PutObject" in actions[-1]


def test_roles_are_tagged(iam: Any) -> None:
    iam("TagRole", RoleName="trainer", Tags=[{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}])
    assert [tag["Key"] for tag in iam("ListRoleTags", RoleName="trainer")["Tags"]] == ["a", "b"]
    iam("UntagRole", RoleName="trainer", TagKeys=["a"])
    assert [tag["Key"] for tag in iam("ListRoleTags", RoleName="trainer")["Tags"]] == ["b"]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("UpdateRole", {}),
        ("AttachRolePolicy", {"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("PutRolePolicy", {"PolicyName": "p", "PolicyDocument": '{"Statement": []}'}),
        ("DeleteRole", {}),
    ],
)
def test_a_service_linked_role_is_not_the_accounts_to_change(
    service: Any, operation: str, request_: dict[str, str], read: str
) -> None:
    role = service("CreateServiceLinkedRole", AWSServiceName="bedrock.amazonaws.com", CustomSuffix="x")["Role"]
    assert role["RoleName"] == "AWSServiceRoleForBedrock_x"
    if "PolicyDocument" in request_:
        request_ = {**request_, "PolicyDocument": read}
    refused("UnmodifiableEntity", service, operation, RoleName=role["RoleName"], **request_)


def test_service_linked_roles_need_a_service(iam: Any) -> None:
    refused("InvalidInput", iam, "CreateServiceLinkedRole", AWSServiceName="bedrock")
    refused("NoSuchEntity", iam, "DeleteServiceLinkedRole", RoleName="trainer")
    refused("NoSuchEntity", iam, "GetServiceLinkedRoleDeletionStatus", DeletionTaskId="task/nothing")
