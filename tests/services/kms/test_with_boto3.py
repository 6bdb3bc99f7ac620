"""KMS through a real boto3 on a real socket."""

import json
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def kms(account: Any) -> Iterator[Any]:
    client = account.client("kms")
    yield client
    client.close()


def test_a_key_from_its_making_to_its_deletion(account: Any, kms: Any) -> None:
    made = kms.create_key(Description="models", Tags=[{"TagKey": "team", "TagValue": "one"}])["KeyMetadata"]
    number = account.home.account
    assert made["Arn"] == f"arn:aws:kms:us-east-1:{number}:key/{made['KeyId']}"
    assert (made["KeyState"], made["Enabled"], made["AWSAccountId"]) == ("Enabled", True, number)
    kms.create_alias(AliasName="alias/models", TargetKeyId=made["KeyId"])
    alias_arn = f"arn:aws:kms:us-east-1:{number}:alias/models"
    for name in (made["KeyId"], made["Arn"], "alias/models", alias_arn):
        assert kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == made["Arn"]
    context = {"for": "test"}
    secret = kms.encrypt(KeyId="alias/models", Plaintext=b"words", EncryptionContext=context)
    opened = kms.decrypt(CiphertextBlob=secret["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == b"words"
    data_key = kms.generate_data_key(KeyId=made["KeyId"], KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
    kms.disable_key(KeyId=made["KeyId"])
    with pytest.raises(kms.exceptions.DisabledException):
        kms.decrypt(CiphertextBlob=secret["CiphertextBlob"], EncryptionContext=context)
    kms.enable_key(KeyId=made["KeyId"])
    ending = kms.schedule_key_deletion(KeyId=made["KeyId"], PendingWindowInDays=7)
    assert (ending["KeyState"], ending["KeyId"]) == ("PendingDeletion", made["Arn"])
    with pytest.raises(kms.exceptions.KMSInvalidStateException):
        kms.generate_data_key(KeyId=made["KeyId"], KeySpec="AES_256")
    kms.cancel_key_deletion(KeyId=made["KeyId"])
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_errors_are_the_classes_that_scripts_catch(kms: Any) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/twice", TargetKeyId=key_id)
    with pytest.raises(kms.exceptions.AlreadyExistsException):
        kms.create_alias(AliasName="alias/twice", TargetKeyId=key_id)
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.describe_key(KeyId="alias/nothing")
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=b"nonsense")
    with pytest.raises(kms.exceptions.InvalidAliasNameException):
        kms.create_alias(AliasName="no-prefix", TargetKeyId=key_id)
    with pytest.raises(kms.exceptions.UnsupportedOperationException):
        kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")


def test_lists_come_in_pages(account: Any) -> None:
    kms = account.client("kms", "ap-south-1")
    made = {kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["Keys"]) for page in pages] == [2, 2, 1]
    assert {key["KeyId"] for page in pages for key in page["Keys"]} == made
    for number, key_id in enumerate(sorted(made)):
        kms.create_alias(AliasName=f"alias/page-{number}", TargetKeyId=key_id)
    aliases = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 2})
    assert [a["AliasName"] for page in aliases for a in page["Aliases"]] == [f"alias/page-{n}" for n in range(5)]


def test_a_key_policy_is_written_and_read(account: Any, kms: Any) -> None:
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    held = json.loads(kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"])
    assert held["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{account.home.account}:root"}
    held["Statement"][0]["Sid"] = "Mine"
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=json.dumps(held))
    assert json.loads(kms.get_key_policy(KeyId=key_id)["Policy"]) == held
    assert kms.list_key_policies(KeyId=key_id)["PolicyNames"] == ["default"]
    with pytest.raises(kms.exceptions.MalformedPolicyDocumentException):
        kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy="{}")
