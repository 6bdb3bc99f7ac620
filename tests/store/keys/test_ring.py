"""The key ring as other rooms use it: data keys made, wrapped, opened, refused."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from outcrop.config import Settings
from outcrop.domain import arn as arns
from outcrop.domain.errors import Fault
from outcrop.store.home import Home, open_home
from outcrop.store.keys import Keys, KeyState, KmsKey, ciphertext
from outcrop.store.keys.records import KEYS, MATERIALS

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY_ID = "11111111-2222-3333-4444-555555555555"
CONTEXT = {"model": "abc"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = open_home(Settings(home=tmp_path / "home"), NOON)
    yield opened
    opened.close()


@pytest.fixture
def keys(home: Home) -> Keys:
    return Keys(home.database, home.master_key)


@pytest.fixture
def key(home: Home, keys: Keys) -> KmsKey:
    made = KmsKey(
        key_id=KEY_ID,
        arn=arns.kms_key("us-east-1", home.account, KEY_ID),
        account=home.account,
        region="us-east-1",
        state=KeyState.ENABLED,
        created_at=NOON,
    )
    keys.create(made)
    return made


def refused(code: str, keys: Keys, wrapped: bytes, context: dict[str, str]) -> None:
    with pytest.raises(Fault) as caught:
        keys.unwrap(wrapped, context)
    assert caught.value.code == code


def test_a_data_key_comes_back_with_its_context_only(keys: Keys, key: KmsKey) -> None:
    for arn in (key.arn, None):
        plaintext, wrapped = keys.generate_data_key(arn, CONTEXT)
        assert len(plaintext) == 32
        assert plaintext not in wrapped
        assert keys.unwrap(wrapped, CONTEXT) == plaintext
        refused("InvalidCiphertextException", keys, wrapped, {})


def test_a_data_keys_key_must_be_enabled(keys: Keys, key: KmsKey) -> None:
    _, wrapped = keys.generate_data_key(key.arn, CONTEXT)
    keys.change(key, state=KeyState.DISABLED)
    refused("DisabledException", keys, wrapped, CONTEXT)
    with pytest.raises(Fault, match="is disabled"):
        keys.generate_data_key(key.arn, CONTEXT)
    keys.change(keys.resolve("us-east-1", KEY_ID), state=KeyState.PENDING_DELETION, deletion_at=NOON)
    refused("KMSInvalidStateException", keys, wrapped, CONTEXT)
    keys.reap(NOON)
    refused("NotFoundException", keys, wrapped, CONTEXT)


def test_a_destroyed_keys_material_is_destroyed(home: Home, keys: Keys, key: KmsKey) -> None:
    keys.change(key, state=KeyState.PENDING_DELETION, deletion_at=NOON)
    keys.reap(NOON)
    with home.database.read() as connection:
        left = connection.execute(sa.select(MATERIALS.c.key_id)).scalars().all()
    assert left == ["service"]


def test_a_key_is_found_by_id_and_arn_in_its_region(keys: Keys, key: KmsKey) -> None:
    assert keys.resolve("us-east-1", KEY_ID) == key
    assert keys.resolve("us-east-1", key.arn) == key
    with pytest.raises(Fault, match="Invalid arn"):
        keys.resolve("eu-west-1", key.arn)


def test_a_key_whose_time_has_come_is_not_found(keys: Keys, key: KmsKey) -> None:
    keys.change(key, state=KeyState.PENDING_DELETION, deletion_at=NOON)
    with pytest.raises(Fault, match="does not exist"):
        keys.resolve("us-east-1", KEY_ID, NOON)
    assert keys.listed("us-east-1", "", 9, NOON) == []


def test_only_a_key_that_waits_for_its_deletion_is_destroyed(home: Home, keys: Keys, key: KmsKey) -> None:
    """A moment left behind on a key that is enabled takes nothing."""
    with home.database.write() as connection:
        connection.execute(sa.update(KEYS).values(deletion_at=NOON))
    assert keys.reap(NOON) == 0
    assert keys.resolve("us-east-1", KEY_ID, NOON).state is KeyState.ENABLED
    assert [listed.key_id for listed in keys.listed("us-east-1", "", 9, NOON)] == [KEY_ID]


def test_a_change_to_a_key_that_has_changed_meanwhile_is_refused(keys: Keys, key: KmsKey) -> None:
    keys.change(key, state=KeyState.PENDING_DELETION, deletion_at=NOON)
    for meant in (KeyState.ENABLED, KeyState.DISABLED):
        with pytest.raises(Fault, match="is no longer Enabled") as caught:
            keys.change(key, state=meant, deletion_at=None)
        assert caught.value.code == "KMSInvalidStateException"
    found = keys.resolve("us-east-1", KEY_ID)
    assert (found.state, found.deletion_at) == (KeyState.PENDING_DELETION, NOON)


def test_material_of_one_key_opens_nothing_of_another(home: Home, keys: Keys, key: KmsKey) -> None:
    other = replace(key, key_id="other", arn=arns.kms_key("us-east-1", home.account, "other"))
    keys.create(other)
    _, wrapped = keys.generate_data_key(key.arn, CONTEXT)
    renamed = wrapped.replace(key.arn.encode(), other.arn.encode())
    refused("InvalidCiphertextException", keys, renamed, CONTEXT)


def test_another_master_key_opens_no_material(home: Home, keys: Keys, key: KmsKey) -> None:
    _, wrapped = keys.generate_data_key(key.arn, CONTEXT)
    refused_by = Keys(home.database, bytes(32))
    with pytest.raises(Exception, match="does not open"):
        refused_by.unwrap(wrapped, CONTEXT)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_ciphertext_are_refused_in_one_way(blob: bytes) -> None:
    with pytest.raises(Fault) as caught:
        ciphertext.decrypt(bytes(32), ciphertext.open_envelope(blob), {})
    assert caught.value.code == "InvalidCiphertextException"


@given(st.binary(max_size=120))
def test_bytes_behind_the_right_beginning_are_refused_in_the_same_way(tail: bytes) -> None:
    whole = ciphertext.encrypt(bytes(32), ("arn:aws:kms:::key/x", 1), b"", {})
    with pytest.raises(Fault) as caught:
        ciphertext.decrypt(bytes(32), ciphertext.open_envelope(whole[:4] + tail), {})
    assert caught.value.code == "InvalidCiphertextException"


@given(st.binary(max_size=100), st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
def test_whatever_is_encrypted_comes_back(plaintext: bytes, context: dict[str, str]) -> None:
    blob = ciphertext.encrypt(bytes(32), ("arn:aws:kms:::key/x", 7), plaintext, context)
    envelope = ciphertext.open_envelope(blob)
    assert (envelope.key_arn, envelope.version) == ("arn:aws:kms:::key/x", 7)
    assert ciphertext.decrypt(bytes(32), envelope, context) == plaintext
