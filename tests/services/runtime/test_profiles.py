"""Names of inference profiles, and what only looks like one."""

import pytest

from outcrop.services.runtime.profiles import model_id_of

ACCOUNT = "123456789012"
ARN = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/us.meta.llama3-2-1b-instruct-v1:0"


@pytest.mark.parametrize(
    "identifier", ["us.meta.llama3-2-1b-instruct-v1:0", "global.meta.llama3-2-1b-instruct-v1:0", ARN]
)
def test_a_profile_names_its_model(identifier: str) -> None:
    assert model_id_of(identifier, ACCOUNT) == "meta.llama3-2-1b-instruct-v1:0"


@pytest.mark.parametrize(
    "identifier",
    [
        "meta.llama3-2-1b-instruct-v1:0",
        "xx.meta.llama3-2-1b-instruct-v1:0",
        "us",
        "us.",
        "",
        ARN.replace(ACCOUNT, "000000000000"),
        ARN.replace(":inference-profile/", ":provisioned-model/"),
        ARN.replace(":bedrock:", ":s3:"),
    ],
)
def test_anything_else_is_none(identifier: str) -> None:
    assert model_id_of(identifier, ACCOUNT) is None
