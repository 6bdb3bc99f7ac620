"""Encryption under a key: plaintexts, data keys, random bytes.

The encryption context is bound to the ciphertext: whoever decrypts must give it again.
"""

import os
from typing import Any

from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault, ValidationException
from outcrop.services.call import Call, Operation
from outcrop.services.kms.ring import named, ring
from outcrop.store.keys import SERVICE_KEY, invalid_ciphertext, key_named_by

ALGORITHM = "SYMMETRIC_DEFAULT"
RANDOM_BYTES_AT_MOST = 1024
_KEY_SPEC_BYTES = {"AES_256": 32, "AES_128": 16}


def encrypt(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The ciphertext of a plaintext."""
    _require_algorithm(request, "EncryptionAlgorithm")
    key_arn, blob = _encrypted(call, request, request["Plaintext"])
    return {"CiphertextBlob": blob, "KeyId": key_arn, "EncryptionAlgorithm": ALGORITHM}


def decrypt(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """The plaintext of a ciphertext, which names its key."""
    _require_algorithm(request, "EncryptionAlgorithm")
    key_arn, plaintext = _decrypted(
        call, request["CiphertextBlob"], request.get("KeyId"), request.get("EncryptionContext", {})
    )
    _refuse_dry_run(request)
    return {"KeyId": key_arn, "Plaintext": plaintext, "EncryptionAlgorithm": ALGORITHM}


def re_encrypt(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A ciphertext under another key or context; the plaintext stays inside."""
    for member in ("SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm"):
        _require_algorithm(request, member)
    source_arn, plaintext = _decrypted(
        call, request["CiphertextBlob"], request.get("SourceKeyId"), request.get("SourceEncryptionContext", {})
    )
    onward = {
        "KeyId": request["DestinationKeyId"],
        "EncryptionContext": request.get("DestinationEncryptionContext", {}),
        "DryRun": request.get("DryRun", False),
    }
    key_arn, blob = _encrypted(call, onward, plaintext)
    return {
        "CiphertextBlob": blob,
        "SourceKeyId": source_arn,
        "KeyId": key_arn,
        "SourceEncryptionAlgorithm": ALGORITHM,
        "DestinationEncryptionAlgorithm": ALGORITHM,
    }


def generate_data_key(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A fresh data key, plain and encrypted."""
    plaintext = os.urandom(_data_key_bytes(request))
    key_arn, blob = _encrypted(call, request, plaintext)
    return {"CiphertextBlob": blob, "Plaintext": plaintext, "KeyId": key_arn}


def generate_data_key_without_plaintext(call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """A fresh data key, encrypted only."""
    answer = generate_data_key(call, request)
    del answer["Plaintext"]
    return answer


def generate_random(_call: Call, request: dict[str, Any]) -> dict[str, Any]:
    """Random bytes."""
    if "NumberOfBytes" not in request:
        raise ValidationException("NumberOfBytes is required.")
    return {"Plaintext": os.urandom(request["NumberOfBytes"])}


def _encrypted(call: Call, request: dict[str, Any], plaintext: bytes) -> tuple[str, bytes]:
    key = named(call, request["KeyId"])
    blob = ring(call).encrypt(key, plaintext, request.get("EncryptionContext", {}))
    _refuse_dry_run(request)
    return key.arn, blob


def _decrypted(call: Call, blob: bytes, identifier: str | None, context: dict[str, str]) -> tuple[str, bytes]:
    key_arn = key_named_by(blob)
    if key_arn == SERVICE_KEY or not _is_here(call, key_arn):
        raise invalid_ciphertext()
    if identifier is not None and named(call, identifier).arn != key_arn:
        raise Fault(
            "IncorrectKeyException",
            "The key ID in the request does not identify the key that encrypted this ciphertext.",
        )
    return key_arn, ring(call).unwrap(blob, context, call.at)


def _is_here(call: Call, key_arn: str) -> bool:
    """Keys work in their own Region only."""
    parsed = arns.parse(key_arn)
    return parsed is not None and parsed.region == call.region


def _data_key_bytes(request: dict[str, Any]) -> int:
    if ("KeySpec" in request) == ("NumberOfBytes" in request):
        raise ValidationException("Please specify either number of bytes or key spec.")
    return request.get("NumberOfBytes") or _KEY_SPEC_BYTES[request["KeySpec"]]


def _require_algorithm(request: dict[str, Any], member: str) -> None:
    asked = request.get(member, ALGORITHM)
    if asked != ALGORITHM:
        raise Fault("InvalidKeyUsageException", f"{member} {asked} does not fit a symmetric key: use {ALGORITHM}.")


def _refuse_dry_run(request: dict[str, Any]) -> None:
    if request.get("DryRun", False):
        raise Fault("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")


OPERATIONS: dict[str, Operation] = {
    "Encrypt": encrypt,
    "Decrypt": decrypt,
    "ReEncrypt": re_encrypt,
    "GenerateDataKey": generate_data_key,
    "GenerateDataKeyWithoutPlaintext": generate_data_key_without_plaintext,
    "GenerateRandom": generate_random,
}
