"""AWS's own policies: in order, and meaning what their names say."""

import pytest

from outcrop import policy
from outcrop.store.identities import aws_managed

ROLE = "arn:aws:iam::123456789012:role/"


@pytest.mark.parametrize("name", sorted(aws_managed.DOCUMENTS))
def test_every_document_is_in_order(name: str) -> None:
    document = aws_managed.document(aws_managed.PREFIX + name)
    assert document is not None
    policy.parse(document, policy.Purpose.IDENTITY)


@pytest.mark.parametrize(
    ("name", "action", "resource", "allowed"),
    [
        ("AdministratorAccess", "kms:Decrypt", "*", True),
        ("AmazonBedrockFullAccess", "bedrock:CreateModelCustomizationJob", "*", True),
        ("AmazonBedrockFullAccess", "s3:GetObject", "*", False),
        ("AmazonBedrockFullAccess", "iam:PassRole", ROLE + "AmazonBedrockTraining", True),
        ("AmazonBedrockFullAccess", "iam:PassRole", ROLE + "Administrator", False),
        ("AmazonBedrockReadOnly", "bedrock:GetCustomModel", "*", True),
        ("AmazonBedrockReadOnly", "bedrock:DeleteCustomModel", "*", False),
        ("AmazonS3FullAccess", "s3:DeleteBucket", "*", True),
        ("AmazonS3ReadOnlyAccess", "s3:GetObject", "*", True),
        ("AmazonS3ReadOnlyAccess", "s3:PutObject", "*", False),
        ("IAMFullAccess", "iam:CreateRole", "*", True),
        ("IAMReadOnlyAccess", "iam:CreateRole", "*", False),
        ("PowerUserAccess", "bedrock:InvokeModel", "*", True),
        ("PowerUserAccess", "iam:CreateRole", "*", False),
    ],
)
def test_a_policy_means_what_its_name_says(name: str, action: str, resource: str, allowed: bool) -> None:
    document = aws_managed.DOCUMENTS[name]
    asked = policy.AccessRequest(
        action=action, resource=resource, context={"iam:PassedToService": "bedrock.amazonaws.com"}
    )
    assert policy.evaluate(asked, identity=[document]).allowed is allowed


def test_what_aws_does_not_manage_has_no_document() -> None:
    assert aws_managed.document("arn:aws:iam::aws:policy/NoSuch") is None
    assert aws_managed.document("arn:aws:iam::123456789012:policy/AdministratorAccess") is None
