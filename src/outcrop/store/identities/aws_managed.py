"""The AWS-managed policies that walkthroughs attach. Everybody's, nobody's to change. Knows no database.

AmazonBedrockFullAccess is given without its statements on SageMaker endpoints, which Outcrop has none of.
"""

import json
from typing import Any

PREFIX = "arn:aws:iam::aws:policy/"


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(actions: list[str], sid: str | None = None, resource: str = "*", **more: Any) -> dict[str, Any]:
    named = {} if sid is None else {"Sid": sid}
    return {**named, "Effect": "Allow", "Action": actions, "Resource": resource, **more}


_NETWORK_AND_ROLES = ["iam:ListRoles", "ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups"]
_PASSED_TO_BEDROCK = {"StringEquals": {"iam:PassedToService": ["bedrock.amazonaws.com"]}}
_ORGANIZATIONS = [
    "organizations:DescribeAccount",
    "organizations:DescribeOrganization",
    "organizations:DescribeOrganizationalUnit",
    "organizations:DescribePolicy",
    "organizations:ListChildren",
    "organizations:ListParents",
    "organizations:ListPoliciesForTarget",
    "organizations:ListRoots",
    "organizations:ListPolicies",
    "organizations:ListTargetsForPolicy",
]

DOCUMENTS = {
    "AdministratorAccess": _document(_allow(["*"])),
    "AmazonBedrockFullAccess": _document(
        _allow(["bedrock:*"], "BedrockAll"),
        _allow(["kms:DescribeKey"], "DescribeKey", "arn:*:kms:*:::*"),
        _allow(_NETWORK_AND_ROLES, "APIsWithAllResourceAccess"),
        _allow(
            ["iam:PassRole"], "PassRoleToBedrock", "arn:aws:iam::*:role/*AmazonBedrock*", Condition=_PASSED_TO_BEDROCK
        ),
    ),
    "AmazonBedrockReadOnly": _document(_allow(["bedrock:Get*", "bedrock:List*"], "AmazonBedrockReadOnly")),
    "AmazonS3FullAccess": _document(_allow(["s3:*", "s3-object-lambda:*"])),
    "AmazonS3ReadOnlyAccess": _document(
        _allow(["s3:Get*", "s3:List*", "s3:Describe*", "s3-object-lambda:Get*", "s3-object-lambda:List*"])
    ),
    "IAMFullAccess": _document(_allow(["iam:*", *_ORGANIZATIONS])),
    "IAMReadOnlyAccess": _document(
        _allow(
            [
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
            ]
        )
    ),
    "PowerUserAccess": _document(
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        _allow(["iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole", "iam:ListRoles"]),
    ),
}


def document(arn: str) -> str | None:
    """The document of an AWS-managed policy that Outcrop knows."""
    return DOCUMENTS.get(arn.removeprefix(PREFIX)) if arn.startswith(PREFIX) else None
