"""Documents that the tests of IAM send."""

import json

import pytest

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "bedrock.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)
READ = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
)


@pytest.fixture
def trust() -> str:
    return TRUST


@pytest.fixture
def read() -> str:
    return READ
