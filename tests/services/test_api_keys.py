"""Policies decide what an API key may ask: of which model, whole or streamed, and of which lists."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from outcrop.domain import arn as arns
from outcrop.domain.errors import AccessDeniedException
from outcrop.services.api_keys import authorize_operation, may_invoke, permissions_of
from outcrop.services.call import Call, Principal
from outcrop.services.runtime.resources import invoked_resources
from outcrop.store import tags

Service = Any
NOVA = "amazon.nova-micro-v1:0"
NOVA_ARN = f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"
SAYING = "bedrock:CallWithBearerToken"
HELLO = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def statement(*actions: str, resource: str = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": list(actions), "Resource": resource, **more}


def ada(iam: Service, *statements: dict[str, Any]) -> Call:
    """A call of a user with these statements for a policy."""
    user = iam("CreateUser", UserName="ada")["User"]
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam("PutUserPolicy", UserName="ada", PolicyName="p", PolicyDocument=document)
    account = iam.call.principal.account
    return replace(iam.call, principal=Principal(account=account, arn=user["Arn"], user_id=user["UserId"], bearer=True))


def denied(call: Call, operation: str, **params: Any) -> str:
    with pytest.raises(AccessDeniedException) as caught:
        authorize_operation(call, operation, params)
    return caught.value.message


def test_who_may_nothing_is_told_what_and_why(service: Service) -> None:
    call = ada(service, statement(SAYING))
    said = denied(call, "Converse", modelId=NOVA, **HELLO)
    assert said.startswith(
        f"User: {call.principal.arn} is not authorized to perform: bedrock:InvokeModel on resource: "
    )
    assert NOVA_ARN in said and "no policy allows it" in said


def test_an_api_key_is_of_use_only_where_policies_allow_api_keys(service: Service) -> None:
    call = ada(service, statement("bedrock:InvokeModel"))
    assert SAYING in denied(call, "InvokeModel", modelId=NOVA)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("InvokeModel", "bedrock:InvokeModel"),
        ("Converse", "bedrock:InvokeModel"),
        ("InvokeModelWithResponseStream", "bedrock:InvokeModelWithResponseStream"),
        ("ConverseStream", "bedrock:InvokeModelWithResponseStream"),
    ],
)
def test_one_model_is_allowed_and_no_other(service: Service, operation: str, action: str) -> None:
    call = ada(service, statement(SAYING), statement(action, resource=NOVA_ARN))
    authorize_operation(call, operation, {"modelId": NOVA})
    authorize_operation(call, operation, {"modelId": NOVA_ARN})
    assert "nova-lite" in denied(call, operation, modelId="amazon.nova-lite-v1:0")
    other = "Converse" if "Stream" in operation else "ConverseStream"
    assert NOVA_ARN in denied(call, other, modelId=NOVA)


def test_a_denied_model_cannot_be_reached_under_another_name(service: Service) -> None:
    deny = statement("bedrock:InvokeModel", resource=NOVA_ARN, effect="Deny")
    call = ada(service, statement("bedrock:*"), deny)
    account = call.principal.account
    profile = f"us.{NOVA}"
    names = (
        NOVA,
        NOVA_ARN,
        f"arn:aws:bedrock:us-east-1:{account}:foundation-model/{NOVA}",
        profile,
        f"arn:aws:bedrock:us-east-1:{account}:inference-profile/{profile}",
    )
    for name in names:
        assert "explicit deny" in denied(call, "InvokeModel", modelId=name), name
    authorize_operation(call, "InvokeModel", {"modelId": "amazon.nova-lite-v1:0"})


def test_a_change_of_policies_counts_at_once(service: Service) -> None:
    call = ada(service, statement("bedrock:*"))
    authorize_operation(call, "InvokeModel", {"modelId": NOVA})
    service("DeleteUserPolicy", UserName="ada", PolicyName="p")
    assert SAYING in denied(call, "InvokeModel", modelId=NOVA)
    service("AttachUserPolicy", UserName="ada", PolicyArn="arn:aws:iam::aws:policy/AmazonBedrockFullAccess")
    authorize_operation(call, "InvokeModel", {"modelId": NOVA})


def test_a_boundary_and_conditions_count(service: Service) -> None:
    until = {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-03-02T00:00:00Z"}}}
    call = ada(service, statement("bedrock:*", **until))
    authorize_operation(call, "InvokeModel", {"modelId": NOVA})
    denied(replace(call, at=datetime(2026, 3, 3, tzinfo=UTC)), "InvokeModel", modelId=NOVA)
    service(
        "PutUserPermissionsBoundary", UserName="ada", PermissionsBoundary="arn:aws:iam::aws:policy/AmazonS3FullAccess"
    )
    assert "boundary" in denied(call, "InvokeModel", modelId=NOVA)


def test_the_callers_address_counts(service: Service) -> None:
    home = {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}
    call = ada(service, statement("bedrock:*"), statement("*", effect="Deny", **home))
    authorize_operation(replace(call, source_ip="10.0.0.1"), "InvokeModel", {"modelId": NOVA})
    assert "explicit deny" in denied(replace(call, source_ip="127.0.0.1"), "InvokeModel", modelId=NOVA)


def on_tag(name: str, value: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": {name: value}}}


def bought(service: Service, **given: str) -> tuple[str, str]:
    """A provisioned model with these tags: its name and its ARN."""
    made = service.of("bedrock")(
        "CreateProvisionedModelThroughput",
        provisionedModelName="bought",
        modelId=f"{NOVA}:128k",
        modelUnits=1,
        tags=[{"key": key, "value": value} for key, value in given.items()],
    )
    return "bought", made["provisionedModelArn"]


def test_a_denial_on_the_models_tags_is_heard_by_whatever_name_it_is_called(service: Service) -> None:
    deny = statement("bedrock:InvokeModel*", effect="Deny", **on_tag("aws:ResourceTag/stage", "secret"))
    call = ada(service, statement("*"), deny)
    names = bought(service, Stage="secret")
    for name in names:
        for operation in ("InvokeModel", "Converse", "InvokeModelWithResponseStream", "ConverseStream", "CountTokens"):
            assert "explicit deny" in denied(call, operation, modelId=name), (name, operation)
        assert not may_invoke(permissions_of(call), call, name)
    authorize_operation(call, "InvokeModel", {"modelId": NOVA})
    service.of("bedrock")("UntagResource", resourceARN=names[1], tagKeys=["Stage"])
    for name in names:
        authorize_operation(call, "InvokeModel", {"modelId": name})


def test_a_deployments_tags_are_heard(service: Service) -> None:
    arn = arns.deployment("us-east-1", service.call.principal.account, "abcdefghijkl")
    deny = statement("bedrock:InvokeModel", effect="Deny", **on_tag("aws:ResourceTag/stage", "secret"))
    call = ada(service, statement("*"), deny)
    authorize_operation(call, "InvokeModel", {"modelId": arn})
    with call.ground.database.write() as connection:
        tags.put(connection, arn, {"stage": "secret"})
    assert "explicit deny" in denied(call, "InvokeModel", modelId=arn)


def test_the_users_tags_are_heard_as_they_are_now(service: Service) -> None:
    deny = statement("bedrock:*", effect="Deny", **on_tag("aws:PrincipalTag/left", "yes"))
    call = ada(service, statement("*"), deny)
    authorize_operation(call, "InvokeModel", {"modelId": NOVA})
    authorize_operation(call, "ListCustomModels", {})
    service("TagUser", UserName="ada", Tags=[{"Key": "Left", "Value": "yes"}])
    assert "explicit deny" in denied(call, "InvokeModel", modelId=NOVA)
    assert "explicit deny" in denied(call, "ListCustomModels")


def test_a_model_is_allowed_to_who_has_its_tag(service: Service) -> None:
    own = on_tag("aws:ResourceTag/team", "${aws:PrincipalTag/team}")
    call = ada(service, statement(SAYING), statement("bedrock:InvokeModel", **own))
    name, _ = bought(service, team="red")
    assert "no policy allows it" in denied(call, "InvokeModel", modelId=name)
    service("TagUser", UserName="ada", Tags=[{"Key": "team", "Value": "red"}])
    authorize_operation(call, "InvokeModel", {"modelId": name})


@pytest.mark.parametrize("kind", ["aws:ResourceTag", "iam:ResourceTag"])
def test_a_role_is_not_passed_where_its_tags_deny_it(service: Service, kind: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}
    made = service(
        "CreateRole",
        RoleName="trainer",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        Tags=[{"Key": "of", "Value": "others"}],
    )
    deny = statement("iam:PassRole", effect="Deny", **on_tag(f"{kind}/of", "others"))
    call = ada(service, statement("*"), deny)
    said = denied(call, "CreateModelCustomizationJob", jobName="j", roleArn=made["Role"]["Arn"])
    assert "iam:PassRole" in said and "explicit deny" in said


def test_counting_needs_what_invoking_needs(service: Service) -> None:
    call = ada(service, statement(SAYING, "bedrock:CountTokens"))
    assert "bedrock:InvokeModel" in denied(call, "CountTokens", modelId=NOVA)


def test_lists_and_foundation_models_are_looked_at_as_policies_say(service: Service) -> None:
    call = ada(service, statement(SAYING, "bedrock:ListFoundationModels", "bedrock:GetFoundationModel"))
    authorize_operation(call, "ListFoundationModels", {})
    authorize_operation(call, "GetFoundationModel", {"modelIdentifier": NOVA})
    denied(call, "ListCustomModels")
    denied(call, "GetFoundationModelAvailability", modelId=NOVA)


@pytest.mark.parametrize("operation", ["DeleteCustomModel", "GetModelCustomizationJob", "ListTagsForResource"])
def test_what_has_many_names_is_allowed_where_policies_tell_none_apart(service: Service, operation: str) -> None:
    authorize_operation(ada(service, statement("bedrock:*")), operation, {})


@pytest.mark.parametrize(
    "also",
    [
        statement("bedrock:*", resource="arn:aws:bedrock:us-east-1:1:custom-model/a/b", effect="Deny"),
        statement("bedrock:Delete*", effect="Deny", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        {"Effect": "Deny", "NotAction": ["s3:*", SAYING], "Resource": "*"},
    ],
)
def test_a_denial_of_any_resource_denies_what_has_many_names(service: Service, also: dict[str, Any]) -> None:
    assert "anywhere" in denied(ada(service, statement("bedrock:*"), also), "DeleteCustomModel", modelIdentifier="m")


def test_a_job_needs_its_role_passed_its_tags_allowed_and_no_kms_key(service: Service) -> None:
    role = f"arn:aws:iam::{service.call.principal.account}:role/trainer"
    passing = {"Condition": {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}}
    create = "bedrock:CreateModelCustomizationJob"
    call = ada(service, statement(SAYING, create), statement("iam:PassRole", resource=role, **passing))
    asked: dict[str, Any] = {"jobName": "j", "roleArn": role}
    authorize_operation(call, "CreateModelCustomizationJob", asked)
    tagged = {**asked, "jobTags": [{"key": "a", "value": "b"}]}
    assert "TagResource" in denied(call, "CreateModelCustomizationJob", **tagged)
    other = {**asked, "roleArn": f"{role}-of-another"}
    assert "iam:PassRole" in denied(call, "CreateModelCustomizationJob", **other)
    assert "KMS" in denied(call, "CreateModelCustomizationJob", **asked, customModelKmsKeyId="alias/k")
    batch = ada_too(service, statement("*"))
    output = {"s3OutputDataConfig": {"s3Uri": "s3://b/", "s3EncryptionKeyId": "alias/k"}}
    assert "KMS" in denied(batch, "CreateModelInvocationJob", roleArn=role, outputDataConfig=output)


def ada_too(iam: Service, *statements: dict[str, Any]) -> Call:
    iam("DeleteUserPolicy", UserName="ada", PolicyName="p")
    iam("DeleteUser", UserName="ada")
    return ada(iam, *statements)


def test_a_listing_asks_the_same_question(service: Service) -> None:
    call = ada(service, statement(SAYING), statement("bedrock:InvokeModel", resource=NOVA_ARN))
    permissions = permissions_of(call)
    assert may_invoke(permissions, call, NOVA)
    assert not may_invoke(permissions, call, f"us.{NOVA}")  # the profile is not allowed
    assert not may_invoke(permissions, call, "amazon.nova-lite-v1:0")


def test_a_name_of_nothing_stands_for_a_provisioned_model(service: Service) -> None:
    account = service.call.principal.account
    assert invoked_resources(service.call, "nobodys") == (
        f"arn:aws:bedrock:us-east-1:{account}:provisioned-model/nobodys",
    )
    deployment = f"arn:aws:bedrock:us-east-1:{account}:custom-model-deployment/abcdefghijkl"
    assert invoked_resources(service.call, deployment) == (deployment,)
