"""A job has one data key, whoever works on it, and nobody reads it without the job's own KMS key."""

from dataclasses import dataclass
from typing import Any

import pytest

from outcrop.domain.errors import Fault, JobFailure
from outcrop.worker.data_keys import data_key_of

pytestmark = pytest.mark.xdist_group("worker")


@dataclass
class Row:
    """What any kind of job says of its key."""

    id: str = "abcdefabcdef"
    kms_key_arn: str | None = None
    data_key: bytes | None = None

    def remember(self, wrapped: bytes) -> None:
        assert self.data_key is None, "a key is made once"
        self.data_key = wrapped


@pytest.fixture
def kms_key(scene: Any) -> str:
    arn: str = scene.ask("kms", "CreateKey")["KeyMetadata"]["Arn"]
    return arn


def test_every_attempt_has_the_key_that_the_first_one_made(scene: Any) -> None:
    row = Row()
    key = data_key_of(scene.ground.keys, row, row.remember)
    assert len(key) == 32 and row.data_key is not None and key not in row.data_key
    assert data_key_of(scene.ground.keys, row, row.remember) == key


def test_two_jobs_have_two_keys_and_neither_opens_the_others(scene: Any) -> None:
    one, two = Row(id="one"), Row(id="two")
    assert len({data_key_of(scene.ground.keys, row, row.remember) for row in (one, two)}) == 2
    two.data_key = one.data_key
    with pytest.raises((JobFailure, Fault)):
        data_key_of(scene.ground.keys, two, two.remember)


@pytest.mark.parametrize("made", [False, True], ids=["before the key is made", "after"])
def test_a_kms_key_that_cannot_be_used_is_named_with_the_reason(scene: Any, kms_key: str, made: bool) -> None:
    row = Row(kms_key_arn=kms_key)
    if made:
        data_key_of(scene.ground.keys, row, row.remember)
    scene.ask("kms", "DisableKey", KeyId=kms_key)
    with pytest.raises(JobFailure, match=rf"The KMS key {kms_key} cannot be used: .*is disabled"):
        data_key_of(scene.ground.keys, row, row.remember)
