"""KMS straight into the operations: states and time, contexts, Regions, and what is refused."""

import json
from typing import Any

import pytest

from outcrop.domain.errors import Fault
from outcrop.store.keys import Keys, KmsKey


@pytest.fixture
def kms(service: Any) -> Any:
    return service.of("kms")


@pytest.fixture
def key(kms: Any) -> str:
    key_id: str = kms("CreateKey")["KeyMetadata"]["KeyId"]
    return key_id


def refused(code: str, kms: Any, operation: str, **request: Any) -> str:
    with pytest.raises(Fault) as caught:
        kms(operation, **request)
    assert caught.value.code == code, caught.value
    return caught.value.message


def test_a_deleted_key_is_gone_when_its_time_has_come(kms: Any, key: str) -> None:
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    before, after = kms.later(days=6), kms.later(days=7)
    assert before("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert before("DescribeKey", KeyId=key)["KeyMetadata"]["DeletionDate"] == after.call.at
    refused("NotFoundException", after, "DescribeKey", KeyId=key)
    refused("NotFoundException", after, "CancelKeyDeletion", KeyId=key)
    refused("NotFoundException", after, "Decrypt", CiphertextBlob=blob)
    assert after("ListKeys")["Keys"] == []
    assert after("ListAliases")["Aliases"] == []
    refused("NotFoundException", after, "DescribeKey", KeyId="alias/a")


def test_reading_destroys_nothing(kms: Any, key: str) -> None:
    """Reads run where every connection waits for them: they take no lock, whatever is due."""
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    after = kms.later(days=7)
    assert (after("ListKeys")["Keys"], after("ListAliases")["Aliases"]) == ([], [])
    refused("NotFoundException", after, "DescribeKey", KeyId=key)
    assert Keys(kms.call.ground.database, kms.call.ground.master_key).reap(after.call.at) == 1


def test_the_alias_of_a_key_that_is_gone_is_free(kms: Any, key: str) -> None:
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    after = kms.later(days=7)
    other = after("CreateKey")["KeyMetadata"]["KeyId"]
    after("CreateAlias", AliasName="alias/a", TargetKeyId=other)
    assert after("DescribeKey", KeyId="alias/a")["KeyMetadata"]["KeyId"] == other


def test_a_worker_can_destroy_what_is_due(kms: Any, key: str) -> None:
    kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    keys = Keys(kms.call.ground.database, kms.call.ground.master_key)
    assert keys.reap(kms.later(days=6).call.at) == 0
    assert keys.reap(kms.later(days=7).call.at) == 1
    assert keys.reap(kms.later(days=8).call.at) == 0


@pytest.mark.parametrize("days", [6, 31])
def test_a_waiting_period_is_a_week_to_a_month(kms: Any, key: str, days: int) -> None:
    said = refused("ValidationException", kms, "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=days)
    assert "from 7 to 30" in said


def test_thirty_days_unless_asked(kms: Any, key: str) -> None:
    assert kms("ScheduleKeyDeletion", KeyId=key)["DeletionDate"] == kms.later(days=30).call.at


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("Encrypt", {"Plaintext": b"x"}),
        ("GenerateDataKey", {"KeySpec": "AES_256"}),
        ("GenerateDataKeyWithoutPlaintext", {"KeySpec": "AES_256"}),
    ],
)
def test_a_key_is_used_only_while_it_is_enabled(kms: Any, key: str, operation: str, request_: dict[str, Any]) -> None:
    kms("DisableKey", KeyId=key)
    assert refused("DisabledException", kms, operation, KeyId=key, **request_).endswith("is disabled.")
    kms("ScheduleKeyDeletion", KeyId=key)
    assert "pending deletion" in refused("KMSInvalidStateException", kms, operation, KeyId=key, **request_)


@pytest.mark.parametrize("operation", ["EnableKey", "DisableKey", "ScheduleKeyDeletion"])
def test_a_key_about_to_go_is_left_alone(kms: Any, key: str, operation: str) -> None:
    kms("ScheduleKeyDeletion", KeyId=key)
    refused("KMSInvalidStateException", kms, operation, KeyId=key)


@pytest.mark.parametrize("operation", ["EnableKey", "DisableKey"])
def test_who_comes_between_a_look_and_a_change_is_heard(
    kms: Any, key: str, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion is scheduled after the operation has seen the key enabled, before it writes."""
    change = Keys.change

    def late(self: Keys, seen: KmsKey, **columns: Any) -> None:
        monkeypatch.setattr(Keys, "change", change)
        kms("ScheduleKeyDeletion", KeyId=key)
        change(self, seen, **columns)

    monkeypatch.setattr(Keys, "change", late)
    refused("KMSInvalidStateException", kms, operation, KeyId=key)
    assert kms("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_a_deletion_scheduled_twice_at_once_is_scheduled_once(
    kms: Any, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Keys.change

    def late(self: Keys, seen: KmsKey, **columns: Any) -> None:
        monkeypatch.setattr(Keys, "change", change)
        kms("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=30)
        change(self, seen, **columns)

    monkeypatch.setattr(Keys, "change", late)
    refused("KMSInvalidStateException", kms, "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    assert kms("DescribeKey", KeyId=key)["KeyMetadata"]["DeletionDate"] == kms.later(days=30).call.at


def test_only_a_deletion_that_waits_can_be_cancelled(kms: Any, key: str) -> None:
    refused("KMSInvalidStateException", kms, "CancelKeyDeletion", KeyId=key)
    kms("ScheduleKeyDeletion", KeyId=key)
    kms("CancelKeyDeletion", KeyId=key)
    metadata = kms("DescribeKey", KeyId=key)["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Enabled"], "DeletionDate" in metadata) == ("Disabled", False, False)


def test_the_encryption_context_is_part_of_the_ciphertext(kms: Any, key: str) -> None:
    context = {"a": "1", "b": "2"}
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    swapped = {"b": "2", "a": "1"}
    assert kms("Decrypt", CiphertextBlob=blob, EncryptionContext=swapped)["Plaintext"] == b"x"
    for wrong in ({}, {"a": "1"}, {**context, "b": "3"}, {**context, "c": "4"}):
        refused("InvalidCiphertextException", kms, "Decrypt", CiphertextBlob=blob, EncryptionContext=wrong)


def test_an_altered_ciphertext_is_refused(kms: Any, key: str) -> None:
    blob = kms("Encrypt", KeyId=key, Plaintext=b"secret words")["CiphertextBlob"]
    for place in range(len(blob)):
        altered = blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :]
        with pytest.raises(Fault) as caught:
            kms("Decrypt", CiphertextBlob=altered)
        assert caught.value.code in ("InvalidCiphertextException", "NotFoundException")
    for length in range(0, len(blob), 7):
        refused("InvalidCiphertextException", kms, "Decrypt", CiphertextBlob=blob[:length])


def test_decrypt_refuses_another_key_than_the_ciphertexts(kms: Any, key: str) -> None:
    other = kms("CreateKey")["KeyMetadata"]["KeyId"]
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    refused("IncorrectKeyException", kms, "Decrypt", CiphertextBlob=blob, KeyId=other)
    assert kms("Decrypt", CiphertextBlob=blob, KeyId=key)["Plaintext"] == b"x"


def test_what_the_services_own_key_wraps_is_not_for_callers(kms: Any) -> None:
    _, wrapped = Keys(kms.call.ground.database, kms.call.ground.master_key).generate_data_key(None, {})
    refused("InvalidCiphertextException", kms, "Decrypt", CiphertextBlob=wrapped)


def test_keys_and_aliases_are_a_regions(kms: Any, key: str) -> None:
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    metadata = kms("DescribeKey", KeyId=key)["KeyMetadata"]
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    elsewhere = kms.at("eu-west-1")
    for name in (key, metadata["Arn"], "alias/a"):
        refused("NotFoundException", elsewhere, "DescribeKey", KeyId=name)
    refused("InvalidCiphertextException", elsewhere, "Decrypt", CiphertextBlob=blob)
    assert elsewhere("ListKeys")["Keys"] == []
    mine = elsewhere("CreateKey")["KeyMetadata"]["KeyId"]
    elsewhere("CreateAlias", AliasName="alias/a", TargetKeyId=mine)
    assert elsewhere("DescribeKey", KeyId="alias/a")["KeyMetadata"]["KeyId"] == mine
    assert kms("DescribeKey", KeyId="alias/a")["KeyMetadata"]["KeyId"] == key


@pytest.mark.parametrize(
    ("identifier", "code"),
    [
        ("11111111-2222-3333-4444-555555555555", "NotFoundException"),
        ("alias/none", "NotFoundException"),
        ("arn:aws:kms:us-east-1:111111111111:key/11111111-2222-3333-4444-555555555555", "NotFoundException"),
        ("arn:aws:s3:::bucket", "InvalidArnException"),
        ("arn:nonsense", "InvalidArnException"),
    ],
)
def test_what_names_no_key_is_not_found(kms: Any, identifier: str, code: str) -> None:
    refused(code, kms, "DescribeKey", KeyId=identifier)


def test_another_accounts_arn_is_not_found(kms: Any, key: str) -> None:
    arn = kms("DescribeKey", KeyId=key)["KeyMetadata"]["Arn"]
    refused("NotFoundException", kms, "DescribeKey", KeyId=arn.replace(kms.call.principal.account, "1" * 12))


def test_operations_on_a_key_itself_take_no_alias(kms: Any, key: str) -> None:
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    for operation in ("EnableKey", "DisableKey", "ScheduleKeyDeletion", "GetKeyPolicy", "ListResourceTags"):
        assert "alias/a" in refused("NotFoundException", kms, operation, KeyId="alias/a")


def test_an_alias_moves_and_goes(kms: Any, key: str) -> None:
    other = kms("CreateKey")["KeyMetadata"]["KeyId"]
    kms("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    kms("UpdateAlias", AliasName="alias/a", TargetKeyId=other)
    assert kms("DescribeKey", KeyId="alias/a")["KeyMetadata"]["KeyId"] == other
    assert [alias["AliasName"] for alias in kms("ListAliases", KeyId=other)["Aliases"]] == ["alias/a"]
    assert kms("ListAliases", KeyId=key)["Aliases"] == []
    kms("DeleteAlias", AliasName="alias/a")
    for operation, request in (("DeleteAlias", {}), ("UpdateAlias", {"TargetKeyId": key})):
        refused("NotFoundException", kms, operation, AliasName="alias/a", **request)


def test_aliases_that_may_not_be_are_refused(kms: Any, key: str) -> None:
    refused("NotAuthorizedException", kms, "CreateAlias", AliasName="alias/aws/s3", TargetKeyId=key)
    for name in ("name", "alias/", "alias/a:b"):
        refused("InvalidAliasNameException", kms, "CreateAlias", AliasName=name, TargetKeyId=key)
    refused("ValidationException", kms, "CreateAlias", AliasName="alias/a", TargetKeyId="alias/b")
    refused("NotFoundException", kms, "CreateAlias", AliasName="alias/a", TargetKeyId="none")
    kms("ScheduleKeyDeletion", KeyId=key)
    refused("KMSInvalidStateException", kms, "CreateAlias", AliasName="alias/a", TargetKeyId=key)


@pytest.mark.parametrize(
    ("request_", "length"), [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 64}, 64)]
)
def test_a_data_key_is_as_long_as_asked(kms: Any, key: str, request_: dict[str, Any], length: int) -> None:
    made = kms("GenerateDataKey", KeyId=key, EncryptionContext={"a": "b"}, **request_)
    assert len(made["Plaintext"]) == length
    opened = kms("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["Plaintext"]
    hidden = kms("GenerateDataKeyWithoutPlaintext", KeyId=key, **request_)
    assert "Plaintext" not in hidden


@pytest.mark.parametrize("request_", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
def test_a_data_key_has_one_length(kms: Any, key: str, request_: dict[str, Any]) -> None:
    refused("ValidationException", kms, "GenerateDataKey", KeyId=key, **request_)


def test_a_ciphertext_moves_to_another_key(kms: Any, key: str) -> None:
    other = kms("CreateKey")["KeyMetadata"]
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = kms(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=other["KeyId"],
        DestinationEncryptionContext={"b": "2"},
    )
    assert moved["KeyId"] == other["Arn"]
    kms("DisableKey", KeyId=key)
    opened = kms("Decrypt", CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"})
    assert opened["Plaintext"] == b"x"


def test_a_dry_run_changes_nothing_and_says_so(kms: Any, key: str) -> None:
    refused("DryRunOperationException", kms, "Encrypt", KeyId=key, Plaintext=b"x", DryRun=True)
    blob = kms("Encrypt", KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    refused("DryRunOperationException", kms, "Decrypt", CiphertextBlob=blob, DryRun=True)


def test_another_algorithm_does_not_fit(kms: Any, key: str) -> None:
    request = {"KeyId": key, "Plaintext": b"x", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    refused("InvalidKeyUsageException", kms, "Encrypt", **request)


def test_random_bytes_are_random(kms: Any) -> None:
    first, second = (kms("GenerateRandom", NumberOfBytes=32)["Plaintext"] for _ in range(2))
    assert len(first) == 32
    assert first != second
    refused("ValidationException", kms, "GenerateRandom")


@pytest.mark.parametrize(
    "request_",
    [
        {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
        {"CustomerMasterKeySpec": "RSA_2048"},
        {"Origin": "EXTERNAL"},
        {"MultiRegion": True},
        {"CustomKeyStoreId": "cks-1234567890abcdef0"},
    ],
)
def test_other_kinds_of_keys_are_refused_clearly(kms: Any, request_: dict[str, Any]) -> None:
    assert "Outcrop" in refused("UnsupportedOperationException", kms, "CreateKey", **request_)


def policy(principal: Any, action: str = "kms:*") -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_key_policy_may_not_lock_its_writer_out(kms: Any, key: str) -> None:
    stranger = policy({"AWS": "arn:aws:iam::111111111111:root"})
    said = refused("MalformedPolicyDocumentException", kms, "PutKeyPolicy", KeyId=key, Policy=stranger)
    assert "will not allow you to update the key policy" in said
    kms("PutKeyPolicy", KeyId=key, Policy=stranger, BypassPolicyLockoutSafetyCheck=True)
    assert kms("GetKeyPolicy", KeyId=key)["Policy"] == stranger
    refused("MalformedPolicyDocumentException", kms, "CreateKey", Policy=policy({"AWS": "*"}, "kms:Encrypt"))
    kms("CreateKey", Policy=policy({"AWS": kms.call.principal.account}))


def test_a_session_may_write_a_policy_that_names_its_role(kms: Any, service: Any, key: str) -> None:
    trust = policy("*", "sts:AssumeRole").replace(', "Resource": "*"', "")
    role = service("CreateRole", RoleName="r", Path="/team/", AssumeRolePolicyDocument=trust)["Role"]
    account = kms.call.principal.account
    session = kms.by(f"arn:aws:sts::{account}:assumed-role/r/s", "AROA:s")
    session("PutKeyPolicy", KeyId=key, Policy=policy({"AWS": role["Arn"]}))


def test_a_key_has_one_policy(kms: Any, key: str) -> None:
    refused("NotFoundException", kms, "GetKeyPolicy", KeyId=key, PolicyName="other")
    refused("NotFoundException", kms, "PutKeyPolicy", KeyId=key, PolicyName="other", Policy=policy("*"))


def test_a_key_policy_has_its_quota(kms: Any) -> None:
    refused("LimitExceededException", kms, "CreateKey", Policy=policy("*") + " " * 32_768)


def test_keys_are_tagged_and_described(kms: Any, key: str) -> None:
    tags = [{"TagKey": name, "TagValue": "v"} for name in ("b", "a", "c")]
    kms("TagResource", KeyId=key, Tags=tags)
    kms("UntagResource", KeyId=key, TagKeys=["c", "d"])
    first = kms("ListResourceTags", KeyId=key, Limit=1)
    assert first["Truncated"]
    rest = kms("ListResourceTags", KeyId=key, Limit=1, Marker=first["NextMarker"])
    assert [tag["TagKey"] for tag in first["Tags"] + rest["Tags"]] == ["a", "b"]
    kms("UpdateKeyDescription", KeyId=key, Description="new")
    assert kms("DescribeKey", KeyId=key)["KeyMetadata"]["Description"] == "new"
    assert kms("GetKeyRotationStatus", KeyId=key)["KeyRotationEnabled"] is False


def test_tags_that_may_not_be_are_refused(kms: Any, key: str) -> None:
    for names in (["a", "a"], ["aws:a"]):
        tags = [{"TagKey": name, "TagValue": ""} for name in names]
        refused("TagException", kms, "TagResource", KeyId=key, Tags=tags)
    many = [{"TagKey": f"k{number}", "TagValue": ""} for number in range(51)]
    refused("LimitExceededException", kms, "TagResource", KeyId=key, Tags=many)
