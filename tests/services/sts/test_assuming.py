"""AssumeRole, straight into the operation: who may, for how long, with how much."""

import json
from dataclasses import replace
from typing import Any

import pytest

from outcrop.domain.errors import Fault
from outcrop.store import identities

MAY_ASSUME = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def text(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal: Any, **more: Any) -> str:
    return text({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more})


@pytest.fixture
def sts(service: Any) -> Any:
    return service.of("sts")


@pytest.fixture
def role(service: Any) -> str:
    account = service.call.principal.account
    made = service("CreateRole", RoleName="open", Path="/team/", AssumeRolePolicyDocument=trust({"AWS": account}))
    arn: str = made["Role"]["Arn"]
    return arn


def user(service: Any, *statements: Any) -> Any:
    made = service("CreateUser", UserName="bob")["User"]
    if statements:
        service("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=text(*statements))
    return service.of("sts").by(made["Arn"], made["UserId"])


def assume(sts: Any, role: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = sts("AssumeRole", RoleArn=role, RoleSessionName="session", **request)
    return answer


def found(sts: Any, access_key_id: str, **later: int) -> identities.Credential | None:
    ground = sts.call.ground
    return identities.find_credential(ground.database, ground.master_key, access_key_id, sts.later(**later).call.at)


def refused(code: str, sts: Any, role: str, **request: Any) -> None:
    with pytest.raises(Fault) as caught:
        assume(sts, role, **request)
    assert caught.value.code == code


def test_temporary_credentials_verify_until_they_expire(sts: Any, role: str) -> None:
    made = assume(sts, role, DurationSeconds=900)["Credentials"]
    credential = found(sts, made["AccessKeyId"])
    assert credential is not None
    assert (credential.secret, credential.session_token) == (made["SecretAccessKey"], made["SessionToken"])
    assert credential.arn.endswith(":assumed-role/open/session")
    assert found(sts, made["AccessKeyId"], seconds=899) is not None
    assert found(sts, made["AccessKeyId"], seconds=900) is None
    ground = sts.call.ground
    assert identities.has_expired(ground.database, made["AccessKeyId"], sts.later(seconds=900).call.at)
    assert not identities.has_expired(ground.database, made["AccessKeyId"], sts.call.at)


def test_an_hour_unless_asked(sts: Any, role: str) -> None:
    assert assume(sts, role)["Credentials"]["Expiration"] == sts.later(hours=1).call.at


def test_a_session_lasts_no_longer_than_its_role_allows(service: Any, sts: Any, role: str) -> None:
    refused("ValidationError", sts, role, DurationSeconds=3601)
    service("UpdateRole", RoleName="open", MaxSessionDuration=7200)
    assume(sts, role, DurationSeconds=7200)


def test_a_chained_session_lasts_an_hour_at_most(service: Any, sts: Any, role: str) -> None:
    service("UpdateRole", RoleName="open", MaxSessionDuration=7200)
    service("PutRolePolicy", RoleName="open", PolicyName="p", PolicyDocument=text(MAY_ASSUME))
    who = assume(sts, role)["AssumedRoleUser"]
    session = sts.by(who["Arn"], who["AssumedRoleId"])
    assume(session, role, DurationSeconds=3600)
    refused("ValidationError", session, role, DurationSeconds=3601)


def test_an_account_that_is_trusted_leaves_the_word_to_its_users_policies(service: Any, role: str) -> None:
    bob = user(service)
    refused("AccessDenied", bob, role)
    service("PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=text(MAY_ASSUME))
    assume(bob, role)


def test_a_user_who_is_trusted_by_name_needs_no_policy(service: Any) -> None:
    bob = user(service)
    paper = trust({"AWS": bob.call.principal.arn})
    named = service("CreateRole", RoleName="named", AssumeRolePolicyDocument=paper)["Role"]["Arn"]
    assume(bob, named)
    refused("AccessDenied", service.of("sts"), named)


def test_a_users_boundary_holds_him_back(service: Any, role: str) -> None:
    bob = user(service, MAY_ASSUME)
    boundary = "arn:aws:iam::aws:policy/AmazonS3FullAccess"
    service("PutUserPermissionsBoundary", UserName="bob", PermissionsBoundary=boundary)
    refused("AccessDenied", bob, role)


@pytest.mark.parametrize(
    ("operation", "named", "kind"),
    [
        ("TagUser", {"UserName": "bob"}, "aws:PrincipalTag"),
        ("TagRole", {"RoleName": "open"}, "aws:ResourceTag"),
        ("TagRole", {"RoleName": "open"}, "iam:ResourceTag"),
    ],
)
def test_a_denial_on_tags_is_heard(service: Any, role: str, operation: str, named: dict[str, str], kind: str) -> None:
    deny = {**MAY_ASSUME, "Effect": "Deny", "Condition": {"StringEquals": {f"{kind}/closed": "yes"}}}
    bob = user(service, MAY_ASSUME, deny)
    assume(bob, role)
    service(operation, **named, Tags=[{"Key": "closed", "Value": "yes"}])
    refused("AccessDenied", bob, role)


def test_a_denial_from_an_address_is_heard(service: Any, role: str) -> None:
    deny = {**MAY_ASSUME, "Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    bob = user(service, MAY_ASSUME, deny)
    assume(replace(bob, call=replace(bob.call, source_ip="127.0.0.1")), role)
    refused("AccessDenied", replace(bob, call=replace(bob.call, source_ip="10.0.0.1")), role)


def test_an_external_id_is_asked_for(service: Any, sts: Any) -> None:
    paper = trust({"AWS": "*"}, Condition={"StringEquals": {"sts:ExternalId": "secret"}})
    role = service("CreateRole", RoleName="external", AssumeRolePolicyDocument=paper)["Role"]["Arn"]
    refused("AccessDenied", sts, role)
    refused("AccessDenied", sts, role, ExternalId="wrong")
    assume(sts, role, ExternalId="secret")


def test_a_role_that_is_not_there_is_refused_like_one_that_does_not_trust(sts: Any, role: str) -> None:
    refused("AccessDenied", sts, role + "x")
    refused("AccessDenied", sts, role.replace("/team/", "/"))


def test_a_session_policy_must_be_in_order(sts: Any, role: str) -> None:
    refused("MalformedPolicyDocument", sts, role, Policy="{}")
    refused("MalformedPolicyDocument", sts, role, Policy=trust("*"))
    refused("MalformedPolicyDocument", sts, role, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/None"}])
    refused("PackedPolicyTooLarge", sts, role, Policy=text({**READ, "Sid": "x" * 2048}))


def test_session_policies_are_kept_together(service: Any, sts: Any, role: str) -> None:
    arns = [{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}]
    answer = assume(sts, role, Policy=text(READ), PolicyArns=arns)
    assert 0 < answer["PackedPolicySize"] <= 100
    with sts.call.ground.database.read() as connection:
        entity = identities.get(connection, identities.Kind.ROLE, "open")
        papers = identities.papers_of(connection, entity, answer["Credentials"]["AccessKeyId"])
    assert papers.session is not None
    assert len(papers.session["Statement"]) == 2


def test_ended_sessions_are_forgotten(sts: Any, role: str) -> None:
    assume(sts, role, DurationSeconds=900)
    with sts.call.ground.database.write() as connection:
        assert identities.forget_expired_sessions(connection, sts.later(seconds=900).call.at) == 0
        assert identities.forget_expired_sessions(connection, sts.later(seconds=901).call.at) == 1
