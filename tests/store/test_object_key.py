"""The key that objects are sealed under."""

import pytest

from outcrop.domain.errors import SealBroken
from outcrop.sealed import new_key
from outcrop.store.database import Database
from outcrop.store.object_key import object_key


def test_it_is_made_once_and_then_the_same(database: Database) -> None:
    master = new_key()
    key = object_key(database, master)
    assert len(key) == 32
    assert key != master
    assert object_key(database, master) == key


def test_another_master_key_does_not_open_it(database: Database) -> None:
    object_key(database, new_key())
    with pytest.raises(SealBroken):
        object_key(database, new_key())
