"""IAM's order of rules: who gets in, who does not, and what is said about it."""

from typing import Any

import pytest

from outcrop.policy import AccessRequest, Decision, allows_everywhere, evaluate, parse, trusts

ACCOUNT = "123456789012"
BOB = f"arn:aws:iam::{ACCOUNT}:user/team/bob"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/trainer"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/trainer/job"
OBJECT = "arn:aws:s3:::bucket/bob/key"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any = "s3:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "s3:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def to(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": principal, **more}


def asking(**changes: Any) -> AccessRequest:
    values = {"action": "s3:GetObject", "resource": OBJECT, "principal_arn": BOB, "account": ACCOUNT}
    return AccessRequest(**{**values, **changes})


def as_session(**changes: Any) -> AccessRequest:
    return asking(principal_arn=SESSION, role_arn=ROLE, **changes)


def by_identity(*statements: dict[str, Any], **changes: Any) -> Decision:
    return evaluate(asking(**changes), identity=[document(statement) for statement in statements])


def test_nothing_said_is_no() -> None:
    decision = by_identity()
    assert not decision.allowed
    assert decision.reason == f"no identity-based policy allows s3:GetObject on {OBJECT}"
    assert not decision.explicit


def test_an_allow_is_enough_and_is_named() -> None:
    decision = by_identity(allow(Sid="Reading"))
    assert decision == Decision(allowed=True, reason="allowed by Reading (identity-based policy)")


def test_an_explicit_deny_wins_over_every_allow() -> None:
    decision = by_identity(ALL, deny(Sid="Never"))
    assert decision.explicit
    assert not decision.allowed
    assert "explicitly denied by Never" in decision.reason


@pytest.mark.parametrize(
    ("action", "fits"),
    [
        ("s3:GetObject", True),
        ("S3:getobject", True),
        ("s3:Get*", True),
        ("s3:Get?bject", True),
        ("*", True),
        ("*:*", True),
        ("s3:PutObject", False),
        ("bedrock:*", False),
        (["bedrock:*", "s3:Get*"], True),
    ],
)
def test_actions_are_matched_without_regard_to_case(action: Any, fits: bool) -> None:
    assert by_identity(allow(action)).allowed is fits


@pytest.mark.parametrize(
    ("resource", "fits"),
    [
        ("*", True),
        (OBJECT, True),
        ("arn:aws:s3:::bucket/*", True),
        ("arn:aws:s3:::*", True),
        ("arn:aws:s3:::bucket/bob/ke?", True),
        ("arn:aws:s3:::Bucket/*", False),
        ("arn:aws:s3:::bucket", False),
        ("arn:aws:s3:::bucket/${aws:username}/*", True),
        ("arn:aws:s3:::bucket/${aws:nobody}/*", False),
        (["arn:aws:s3:::other/*", OBJECT], True),
    ],
)
def test_resources_are_matched_with_regard_to_case(resource: Any, fits: bool) -> None:
    assert by_identity(allow(resource=resource)).allowed is fits


def test_not_action_means_everything_else() -> None:
    statement = {"Effect": "Allow", "NotAction": ["iam:*", "kms:*"], "Resource": "*"}
    assert by_identity(statement).allowed
    assert not by_identity(statement, action="iam:CreateUser").allowed


def test_not_resource_means_everything_else() -> None:
    statement = {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::bucket/*"}
    assert by_identity(ALL, statement).allowed
    assert not by_identity(ALL, statement, resource="arn:aws:s3:::other/x").allowed


def test_a_star_in_a_users_name_opens_no_other_folder() -> None:
    named = allow(resource="arn:aws:s3:::bucket/${aws:username}/*")
    star = f"arn:aws:iam::{ACCOUNT}:user/*"
    assert not by_identity(named, principal_arn=star).allowed


def test_the_accounts_root_needs_no_policy() -> None:
    assert by_identity(principal_arn=ROOT).allowed
    assert not by_identity(deny(), principal_arn=ROOT).allowed


def test_another_accounts_root_is_nobody_here() -> None:
    assert not by_identity(principal_arn="arn:aws:iam::999999999999:root").allowed


@pytest.mark.parametrize("limit", ["boundary", "session"])
def test_a_boundary_and_a_session_policy_only_take_away(limit: str) -> None:
    wide, narrow = document(ALL), document(allow("s3:*"))
    assert evaluate(asking(), identity=[wide], **{limit: narrow}).allowed
    assert not evaluate(asking(action="iam:GetUser"), identity=[wide], **{limit: narrow}).allowed
    assert not evaluate(asking(), identity=[], **{limit: narrow}).allowed


def test_a_denial_in_a_boundary_is_explicit() -> None:
    assert evaluate(asking(), identity=[document(ALL)], boundary=document(ALL, deny())).explicit


def test_the_missing_limit_is_named() -> None:
    decision = evaluate(asking(), identity=[document(ALL)], boundary=document(ALL), session=document(allow("iam:*")))
    assert decision.reason.startswith("no session policy allows")


@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        ("*", True),
        ({"AWS": "*"}, True),
        ({"AWS": BOB}, True),
        ({"AWS": [ROLE, BOB]}, True),
        ({"AWS": ROLE}, False),
        ({"AWS": ROOT}, False),
        ({"AWS": ACCOUNT}, False),
        ({"Service": "s3.amazonaws.com"}, False),
        ({"CanonicalUser": "abc"}, False),
    ],
)
def test_a_resources_policy_lends_to_whom_it_names_himself(principal: Any, allowed: bool) -> None:
    """To name only the account leaves the word to the caller's own policies."""
    assert evaluate(asking(), resource=document(to(principal))).allowed is allowed


def test_a_resources_denial_of_the_account_covers_everyone_in_it() -> None:
    denial = {**to({"AWS": ROOT}), "Effect": "Deny"}
    assert evaluate(asking(), identity=[document(ALL)], resource=document(denial)).explicit


def test_a_boundary_does_not_limit_what_a_resource_lends_to_the_user_himself() -> None:
    assert evaluate(asking(), resource=document(to({"AWS": BOB})), boundary=document(allow("iam:*"))).allowed


def test_a_session_policy_limits_what_a_resource_lends_to_the_role() -> None:
    lent = document(to({"AWS": ROLE}))
    assert evaluate(as_session(), resource=lent).allowed
    assert not evaluate(as_session(), resource=lent, session=document(allow("iam:*"))).allowed


def test_what_a_resource_lends_to_the_session_itself_is_not_limited() -> None:
    lent = document(to({"AWS": SESSION}))
    assert evaluate(as_session(), resource=lent, session=document(allow("iam:*"))).allowed


def test_not_principal_means_everyone_else() -> None:
    statement = {"Effect": "Deny", "Action": "*", "Resource": "*", "NotPrincipal": {"AWS": [BOB, ROOT]}}
    assert evaluate(asking(), identity=[document(ALL)], resource=document(statement)).allowed
    assert evaluate(as_session(), identity=[document(ALL)], resource=document(statement)).explicit


@pytest.mark.parametrize(
    ("principal", "identity", "allowed"),
    [
        ({"AWS": ROOT}, [document(ALL)], True),
        ({"AWS": ACCOUNT}, [document(ALL)], True),
        ({"AWS": ROOT}, [], False),
        ({"AWS": BOB}, [], True),
        ({"AWS": ROLE}, [document(ALL)], False),
    ],
)
def test_where_the_resource_must_agree_nobody_gets_in_without_its_word(
    principal: Any, identity: list[Any], allowed: bool
) -> None:
    """Key policies and trust policies."""
    request = asking(resource_must_agree=True)
    assert evaluate(request, identity=identity, resource=document(to(principal))).allowed is allowed


def test_where_the_resource_must_agree_even_the_root_asks_it() -> None:
    request = asking(principal_arn=ROOT, resource_must_agree=True)
    assert not evaluate(request, resource=document(to({"AWS": BOB}))).allowed
    assert evaluate(request, resource=document(to({"AWS": ACCOUNT}))).allowed


def test_facts_about_the_principal_are_known_to_conditions() -> None:
    facts = {
        "aws:PrincipalArn": BOB,
        "aws:PrincipalAccount": ACCOUNT,
        "aws:PrincipalType": "User",
        "aws:username": "bob",
    }
    assert by_identity(allow(Condition={"StringEquals": facts})).allowed


def test_a_sessions_principal_arn_is_its_roles() -> None:
    condition = {"ArnEquals": {"aws:PrincipalArn": ROLE}}
    assert evaluate(as_session(), identity=[document(allow(Condition=condition))]).allowed


def test_documents_may_come_parsed() -> None:
    assert evaluate(asking(), identity=[parse(document(ALL))]).allowed


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more})


@pytest.mark.parametrize(
    ("paper", "context", "trusted"),
    [
        (trust({"Service": "bedrock.amazonaws.com"}), {}, True),
        (trust({"Service": ["ec2.amazonaws.com", "bedrock.amazonaws.com"]}), {}, True),
        (trust({"Service": "ec2.amazonaws.com"}), {}, False),
        (trust({"AWS": ROOT}), {}, False),
        (trust({"AWS": "*"}), {}, False),
        (trust("*"), {}, True),
        (trust({"Service": "bedrock.amazonaws.com"}, Action="sts:*"), {}, True),
        (trust({"Service": "bedrock.amazonaws.com"}, Action="sts:TagSession"), {}, False),
        (trust({"Service": "bedrock.amazonaws.com"}, Effect="Deny"), {}, False),
    ],
)
def test_a_service_is_trusted_by_name(paper: Any, context: dict[str, Any], trusted: bool) -> None:
    assert trusts(paper, context=context) is trusted


def test_a_trust_policy_may_ask_for_account_and_job() -> None:
    job = "arn:aws:bedrock:us-east-1:123456789012:model-customization-job/*"
    paper = trust(
        {"Service": "bedrock.amazonaws.com"},
        Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}, "ArnLike": {"aws:SourceArn": job}},
    )
    source = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": job.replace("*", "amazon.nova-micro-v1:0/abc")}
    assert trusts(paper, context=source)
    assert not trusts(paper, context={**source, "aws:SourceAccount": "999999999999"})
    assert not trusts(paper)


def test_a_service_may_be_another() -> None:
    assert trusts(trust({"Service": "s3.amazonaws.com"}), service="s3.amazonaws.com")


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([allow()], True),
        ([allow("s3:GetObject", ["arn:aws:s3:::a", "*"])], True),
        ([allow(), allow("s3:*", "arn:aws:s3:::a")], True),
        ([allow(), deny("s3:PutObject")], True),
        ([], False),
        ([allow("s3:PutObject")], False),
        ([allow("s3:*", "arn:aws:s3:::*")], False),
        ([allow(Condition={"Null": {"aws:userid": "false"}})], False),
        ([{"Effect": "Allow", "Action": "s3:*", "NotResource": "*"}], False),
        ([allow(), deny("s3:GetObject", "arn:aws:s3:::a")], False),
        ([allow(), deny(Condition={"Bool": {"aws:SecureTransport": "false"}})], False),
        ([allow(), {"Effect": "Deny", "NotAction": "s3:PutObject", "Resource": "*"}], False),
    ],
)
def test_what_is_allowed_everywhere_is_told_apart_by_nothing(statements: list[dict[str, Any]], allowed: bool) -> None:
    papers = [document(*statements)] if statements else []
    assert allows_everywhere("s3:GetObject", identity=papers) is allowed
    assert not allows_everywhere("s3:GetObject", identity=papers, boundary=document(allow("sts:*")))
    assert allows_everywhere("s3:GetObject", identity=papers, boundary=document(ALL)) is allowed
