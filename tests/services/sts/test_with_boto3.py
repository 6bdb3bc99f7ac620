"""STS through a real boto3 on a real socket."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def trust(principal: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_the_administrator_is_the_accounts_root(account: Any) -> None:
    identity = account.client("sts").get_caller_identity()
    number = account.home.account
    assert (identity["Account"], identity["UserId"]) == (number, number)
    assert identity["Arn"] == f"arn:aws:iam::{number}:root"


def test_assumed_credentials_call_as_the_session(account: Any) -> None:
    iam, sts = account.client("iam"), account.client("sts")
    root = f"arn:aws:iam::{account.home.account}:root"
    role = iam.create_role(RoleName="assumed", AssumeRolePolicyDocument=trust({"AWS": root}))["Role"]
    answer = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session-1", DurationSeconds=900)
    made = answer["Credentials"]
    session = {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }
    identity = account.client("sts", **session).get_caller_identity()
    assert identity["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert identity["Arn"].endswith(":assumed-role/assumed/session-1")
    assert identity["UserId"] == f"{role['RoleId']}:session-1"
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        account.client("sts", **{**session, "aws_session_token": "another"}).get_caller_identity()
    iam.delete_role(RoleName="assumed")
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        account.client("sts", **session).get_caller_identity()


def test_a_role_that_trusts_a_service_only_is_refused_to_people(account: Any) -> None:
    paper = trust({"Service": "bedrock.amazonaws.com"})
    role = account.client("iam").create_role(RoleName="services-own", AssumeRolePolicyDocument=paper)["Role"]
    with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole") as refused:
        account.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="me-please")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
