"""What Outcrop does not serve says so, in the words of whoever was asked."""

from typing import Any

import pytest

from world import World, refused

pytestmark = pytest.mark.xdist_group("conformance")
URI = {"s3Uri": "s3://bucket/x"}
GUARDRAIL = {"name": "g", "blockedInputMessaging": "x", "blockedOutputsMessaging": "y"}


@pytest.mark.parametrize(
    ("service", "operation", "request_"),
    [
        ("bedrock", "create_guardrail", GUARDRAIL),
        ("bedrock", "list_evaluation_jobs", {}),
        ("bedrock", "list_imported_models", {}),
        ("bedrock", "create_custom_model", {"modelName": "m", "modelSourceConfig": {"s3DataSource": URI}}),
        ("bedrock", "get_model_invocation_logging_configuration", {}),
        ("bedrock-runtime", "list_async_invokes", {}),
        ("iam", "create_group", {"GroupName": "g"}),
        ("sts", "get_session_token", {}),
        ("kms", "list_grants", {"KeyId": "x"}),
        ("s3", "put_bucket_versioning", {"Bucket": "conformance", "VersioningConfiguration": {"Status": "Enabled"}}),
    ],
)
def test_an_operation_that_is_not_served_is_named(
    world: World, service: str, operation: str, request_: dict[str, Any]
) -> None:
    code, status, message = refused(getattr(world.client(service), operation), **request_)
    assert (code, status) == ("NotImplemented", 501)
    assert "Outcrop does not serve" in message and operation.replace("_", "") in message.lower()


@pytest.mark.parametrize("service", ["bedrock", "bedrock-runtime", "s3", "iam", "sts", "kms"])
def test_a_refusal_is_not_tried_again(world: World, service: str) -> None:
    """botocore retries 500, 502, 503 and 504: a script must not wait for what will never come."""
    calls = {"bedrock": "list_guardrails", "bedrock-runtime": "list_async_invokes", "iam": "list_groups"}
    others = {"sts": "get_session_token", "kms": "list_retirable_grants", "s3": "list_directory_buckets"}
    client = world.client(service)
    sent: list[Any] = []
    client.meta.events.register("before-send", lambda request, **_: sent.append(request.url))
    asked = {"RetiringPrincipal": "arn:aws:iam::123456789012:root"} if service == "kms" else {}
    refused(getattr(client, {**calls, **others}[service]), **asked)
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("logs", "describe_log_groups"),
        ("cloudwatch", "list_metrics"),
        ("sagemaker", "list_models"),
        ("lambda", "list_functions"),
        ("ec2", "describe_vpcs"),
        ("sqs", "list_queues"),
        ("dynamodb", "list_tables"),
    ],
)
def test_a_service_that_outcrop_has_not_is_named(world: World, service: str, operation: str) -> None:
    code, status, message = refused(getattr(world.client(service), operation))
    assert (code, status) == ("NotImplemented", 501)
    assert "Outcrop does not serve" in message
