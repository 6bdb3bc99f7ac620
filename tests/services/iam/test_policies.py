"""Managed policies and their versions, straight into the operations."""

import json
from typing import Any
from urllib.parse import unquote

import pytest

from outcrop.domain.errors import Fault
from outcrop.store.identities import aws_managed

AWS = "arn:aws:iam::aws:policy/"


def refused(code: str, iam: Any, operation: str, **request: Any) -> Fault:
    with pytest.raises(Fault) as caught:
        iam(operation, **request)
    assert caught.value.code == code
    return caught.value


@pytest.fixture
def arn(service: Any, read: str) -> str:
    made = service("CreatePolicy", PolicyName="Data", Path="/team/", PolicyDocument=read, Description="d")
    arn: str = made["Policy"]["Arn"]
    return arn


def test_a_policy_has_id_arn_and_version(service: Any, arn: str) -> None:
    policy = service("GetPolicy", PolicyArn=arn)["Policy"]
    assert policy["Arn"] == f"arn:aws:iam::{service.call.principal.account}:policy/team/Data"
    assert policy["PolicyId"].startswith("ANPA")
    assert (policy["DefaultVersionId"], policy["AttachmentCount"], policy["Description"]) == ("v1", 0, "d")


def test_a_name_is_used_once_whatever_path_and_case(service: Any, arn: str, read: str) -> None:
    refused("EntityAlreadyExists", service, "CreatePolicy", PolicyName="data", PolicyDocument=read)


def test_a_policy_has_its_quota(service: Any, read: str) -> None:
    long = json.loads(read)
    long["Statement"]["Sid"] = "x" * 6144
    refused("LimitExceeded", service, "CreatePolicy", PolicyName="p", PolicyDocument=json.dumps(long))


def test_a_policy_that_is_not_there_is_not_found(service: Any) -> None:
    for operation in ("GetPolicy", "DeletePolicy", "ListEntitiesForPolicy", "ListPolicyVersions", "ListPolicyTags"):
        refused("NoSuchEntity", service, operation, PolicyArn="arn:aws:iam::123456789012:policy/none")


def test_versions_are_made_chosen_and_deleted(service: Any, arn: str, read: str) -> None:
    changed = read.replace("GetObject", "PutObject")
    made = service("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=changed)["PolicyVersion"]
    assert (made["VersionId"], made["IsDefaultVersion"]) == ("v2", False)
    service("SetDefaultPolicyVersion", PolicyArn=arn, VersionId="v2")
    assert service("GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    refused("DeleteConflict", service, "DeletePolicyVersion", PolicyArn=arn, VersionId="v2")
    refused("DeleteConflict", service, "DeletePolicy", PolicyArn=arn)
    service("DeletePolicyVersion", PolicyArn=arn, VersionId="v1")
    third = service("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=read, SetAsDefault=True)["PolicyVersion"]
    assert (third["VersionId"], third["IsDefaultVersion"]) == ("v3", True)
    listed = service("ListPolicyVersions", PolicyArn=arn)["Versions"]
    assert [version["VersionId"] for version in listed] == ["v3", "v2"]
    assert unquote(service("GetPolicyVersion", PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"]) == changed
    refused("NoSuchEntity", service, "GetPolicyVersion", PolicyArn=arn, VersionId="v1")


def test_a_policy_has_five_versions_at_most(service: Any, arn: str, read: str) -> None:
    for _ in range(4):
        service("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=read)
    refused("LimitExceeded", service, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=read)


def test_policies_are_listed_by_scope_path_and_use(service: Any, arn: str, trust: str, read: str) -> None:
    service("CreatePolicy", PolicyName="Other", PolicyDocument=read)
    service("CreateRole", RoleName="r", AssumeRolePolicyDocument=trust, PermissionsBoundary=arn)
    service("AttachRolePolicy", RoleName="r", PolicyArn=AWS + "AdministratorAccess")

    def names(**request: Any) -> list[str]:
        return [policy["PolicyName"] for policy in service("ListPolicies", **request)["Policies"]]

    assert names(Scope="Local") == ["Data", "Other"]
    assert set(names(Scope="AWS")) == set(aws_managed.DOCUMENTS)
    assert set(names()) == {"Data", "Other", *aws_managed.DOCUMENTS}
    assert names(PathPrefix="/team/") == ["Data"]
    assert names(OnlyAttached=True) == ["AdministratorAccess"]
    assert names(PolicyUsageFilter="PermissionsBoundary") == ["Data"]
    assert names(PolicyUsageFilter="PermissionsPolicy") == ["AdministratorAccess"]
    refused("DeleteConflict", service, "DeletePolicy", PolicyArn=arn)


def test_who_has_a_policy_is_listed_in_pages(service: Any, arn: str, trust: str) -> None:
    service("CreateUser", UserName="u")
    for name in ("r1", "r2"):
        service("CreateRole", RoleName=name, AssumeRolePolicyDocument=trust)
        service("AttachRolePolicy", RoleName=name, PolicyArn=arn)
    service("AttachUserPolicy", UserName="u", PolicyArn=arn)
    everyone = service("ListEntitiesForPolicy", PolicyArn=arn)
    assert [role["RoleName"] for role in everyone["PolicyRoles"]] == ["r1", "r2"]
    assert [user["UserName"] for user in everyone["PolicyUsers"]] == ["u"]
    users = service("ListEntitiesForPolicy", PolicyArn=arn, EntityFilter="User")
    assert (len(users["PolicyUsers"]), users["PolicyRoles"]) == (1, [])
    first = service("ListEntitiesForPolicy", PolicyArn=arn, MaxItems=2)
    rest = service("ListEntitiesForPolicy", PolicyArn=arn, MaxItems=2, Marker=first["Marker"])
    assert len(first["PolicyRoles"] + rest["PolicyRoles"] + first["PolicyUsers"] + rest["PolicyUsers"]) == 3


def test_aws_managed_policies_are_nobodys_to_change(service: Any, read: str) -> None:
    arn = AWS + "AmazonBedrockFullAccess"
    refused("AccessDenied", service, "DeletePolicy", PolicyArn=arn)
    refused("AccessDenied", service, "CreatePolicyVersion", PolicyArn=arn, PolicyDocument=read)
    refused("AccessDenied", service, "TagPolicy", PolicyArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert service("GetPolicy", PolicyArn=arn)["Policy"]["IsAttachable"]


def test_policies_are_tagged(service: Any, arn: str) -> None:
    service("TagPolicy", PolicyArn=arn, Tags=[{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}])
    service("UntagPolicy", PolicyArn=arn, TagKeys=["b"])
    assert service("ListPolicyTags", PolicyArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}]
    assert service("GetPolicy", PolicyArn=arn)["Policy"]["Tags"] == [{"Key": "a", "Value": "2"}]
