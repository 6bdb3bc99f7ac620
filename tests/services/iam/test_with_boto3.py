"""IAM through a real boto3 on a real socket, as walkthroughs use it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
READ = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*"}],
}


@pytest.fixture(scope="module")
def iam(account: Any) -> Iterator[Any]:
    client = account.client("iam")
    yield client
    client.close()


def refused(code: str, operation: Any, **request: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        operation(**request)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value


def test_the_walkthroughs_role_from_its_making_to_its_end(iam: Any) -> None:
    role = iam.create_role(
        RoleName="CustomizationRole",
        AssumeRolePolicyDocument=json.dumps(TRUST),
        Description="for jobs",
        MaxSessionDuration=7200,
        Tags=[{"Key": "team", "Value": "one"}],
    )["Role"]
    assert role["AssumeRolePolicyDocument"] == TRUST
    policy = iam.create_policy(PolicyName="DataAccess", PolicyDocument=json.dumps(READ))["Policy"]
    iam.attach_role_policy(RoleName="CustomizationRole", PolicyArn=policy["Arn"])
    iam.put_role_policy(RoleName="CustomizationRole", PolicyName="more", PolicyDocument=json.dumps(READ))
    iam.get_waiter("role_exists").wait(RoleName="CustomizationRole")
    iam.get_waiter("policy_exists").wait(PolicyArn=policy["Arn"])

    found = iam.get_role(RoleName="CustomizationRole")["Role"]
    assert found["Arn"].endswith(":role/CustomizationRole")
    assert (found["MaxSessionDuration"], found["Description"]) == (7200, "for jobs")
    assert found["Tags"] == [{"Key": "team", "Value": "one"}]
    attached = iam.list_attached_role_policies(RoleName="CustomizationRole")["AttachedPolicies"]
    assert attached == [{"PolicyName": "DataAccess", "PolicyArn": policy["Arn"]}]
    assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["AttachmentCount"] == 1
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v1")["PolicyVersion"]
    assert version["Document"] == READ
    assert iam.get_role_policy(RoleName="CustomizationRole", PolicyName="more")["PolicyDocument"] == READ

    refused("DeleteConflict", iam.delete_policy, PolicyArn=policy["Arn"])
    refused("DeleteConflict", iam.delete_role, RoleName="CustomizationRole")
    iam.detach_role_policy(RoleName="CustomizationRole", PolicyArn=policy["Arn"])
    iam.delete_role_policy(RoleName="CustomizationRole", PolicyName="more")
    iam.delete_role(RoleName="CustomizationRole")
    iam.delete_policy(PolicyArn=policy["Arn"])
    refused("NoSuchEntity", iam.get_role, RoleName="CustomizationRole")


def test_errors_are_the_classes_that_scripts_catch(iam: Any) -> None:
    iam.create_role(RoleName="Twice", AssumeRolePolicyDocument=json.dumps(TRUST))
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="twice", AssumeRolePolicyDocument=json.dumps(TRUST))
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="Nobody")
    with pytest.raises(iam.exceptions.MalformedPolicyDocumentException):
        iam.create_policy(PolicyName="Broken", PolicyDocument="{}")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.attach_role_policy(RoleName="Twice", PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")


def test_a_conflict_is_a_409_and_a_missing_name_a_404(iam: Any) -> None:
    iam.create_user(UserName="statuses")
    conflict = refused("EntityAlreadyExists", iam.create_user, UserName="statuses")
    assert conflict.response["ResponseMetadata"]["HTTPStatusCode"] == 409
    missing = refused("NoSuchEntity", iam.get_user, UserName="nobody")
    assert missing.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_users_key_signs_until_it_is_deactivated(account: Any, iam: Any) -> None:
    user = iam.create_user(UserName="signer", Path="/team/")["User"]
    made = iam.create_access_key(UserName="signer")["AccessKey"]
    own = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    sts = account.client("sts", **own)
    assert sts.get_caller_identity()["Arn"] == user["Arn"]
    assert account.client("iam", **own).get_user()["User"]["UserName"] == "signer"
    iam.update_access_key(UserName="signer", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    refused("InvalidClientTokenId", sts.get_caller_identity)
    iam.update_access_key(UserName="signer", AccessKeyId=made["AccessKeyId"], Status="Active")
    assert sts.get_caller_identity()["UserId"] == user["UserId"]
    iam.delete_access_key(UserName="signer", AccessKeyId=made["AccessKeyId"])
    refused("InvalidClientTokenId", sts.get_caller_identity)
    iam.delete_user(UserName="signer")


def test_lists_come_in_pages(iam: Any) -> None:
    names = [f"page-{number:02}" for number in range(7)]
    for name in names:
        iam.create_role(RoleName=name, Path="/pages/", AssumeRolePolicyDocument=json.dumps(TRUST))
    pages = list(iam.get_paginator("list_roles").paginate(PathPrefix="/pages/", PaginationConfig={"PageSize": 3}))
    assert [len(page["Roles"]) for page in pages] == [3, 3, 1]
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == names
    assert pages[0]["Roles"][0]["AssumeRolePolicyDocument"] == TRUST


def test_aws_managed_policies_can_be_attached_and_read(iam: Any) -> None:
    iam.create_role(RoleName="managed", AssumeRolePolicyDocument=json.dumps(TRUST))
    for name in ("AmazonBedrockFullAccess", "AmazonS3FullAccess", "IAMFullAccess", "AdministratorAccess"):
        iam.attach_role_policy(RoleName="managed", PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    attached = iam.list_attached_role_policies(RoleName="managed")["AttachedPolicies"]
    assert len(attached) == 4
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]["Document"]
    assert "s3:Get*" in document["Statement"][0]["Action"]
    refused("AccessDenied", iam.delete_policy, PolicyArn=arn)


def test_iam_is_one_for_every_region(account: Any, iam: Any) -> None:
    iam.create_user(UserName="everywhere")
    assert account.client("iam", "eu-west-1").get_user(UserName="everywhere")["User"]["UserName"] == "everywhere"


def test_a_role_is_cleaned_up_the_way_scripts_do(iam: Any) -> None:
    iam.create_role(RoleName="swept", AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName="swept", PolicyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess")
    iam.put_role_policy(RoleName="swept", PolicyName="inline", PolicyDocument=json.dumps(READ))
    assert iam.list_instance_profiles_for_role(RoleName="swept")["InstanceProfiles"] == []
    for policy in iam.list_attached_role_policies(RoleName="swept")["AttachedPolicies"]:
        iam.detach_role_policy(RoleName="swept", PolicyArn=policy["PolicyArn"])
    for name in iam.list_role_policies(RoleName="swept")["PolicyNames"]:
        iam.delete_role_policy(RoleName="swept", PolicyName=name)
    iam.delete_role(RoleName="swept")


def test_a_service_linked_role_is_its_services(iam: Any) -> None:
    role = iam.create_service_linked_role(AWSServiceName="observability.aoss.amazonaws.com")["Role"]
    assert role["Path"] == "/aws-service-role/observability.aoss.amazonaws.com/"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
        "Service": "observability.aoss.amazonaws.com"
    }
    again = {"AWSServiceName": "observability.aoss.amazonaws.com"}
    assert "has been taken" in str(refused("InvalidInput", iam.create_service_linked_role, **again))
    refused("UnmodifiableEntity", iam.delete_role, RoleName=role["RoleName"])
    task = iam.delete_service_linked_role(RoleName=role["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"


def test_what_is_not_served_says_so(iam: Any) -> None:
    refused("NotImplemented", iam.create_group, GroupName="team")
