"""Access keys and API keys obey the same rules: a bound for each user, one id, active or not, gone when deleted."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from outcrop.domain.errors import Fault
from outcrop.sealed import new_key
from outcrop.store import identities
from outcrop.store.database import Database
from outcrop.store.identities import Entity, Kind

Add = Callable[[Any, str, datetime], str]


def access_key_of(connection: Any, name: str, now: datetime) -> str:
    return identities.add_access_key(connection, new_key(), name, now)[0]


def api_key_of(connection: Any, name: str, now: datetime) -> str:
    arn = f"arn:aws:iam::123456789012:user/{name}"
    user = Entity(kind=Kind.USER, name=name, path="/", unique_id=f"ID{name}", arn=arn, created_at=now)
    return identities.add_api_key(connection, user, now, None)[0].id


KINDS = [
    (access_key_of, identities.access_key, identities.set_access_key_status, identities.delete_access_key),
    (api_key_of, identities.get_api_key, identities.set_api_key_status, identities.delete_api_key),
]


@pytest.mark.parametrize(("add", "get", "set_status", "delete"), KINDS)
def test_keys_of_both_kinds_live_alike(
    database: Database, noon: datetime, add: Add, get: Any, set_status: Any, delete: Any
) -> None:
    with database.write() as connection:
        first, second = (add(connection, "ada", noon) for _ in range(2))
        with pytest.raises(Fault, match=r"Cannot exceed quota for \w+PerUser: 2") as refused:
            add(connection, "ada", noon)
        assert refused.value.code == "LimitExceeded"
        assert add(connection, "bob", noon) not in (first, second)
        set_status(connection, get(connection, "ada", first), False)
        assert [get(connection, "ada", one).active for one in (first, second)] == [False, True]
        delete(connection, get(connection, "ada", first))
        with pytest.raises(Fault, match=f"with id {first} cannot be found") as missing:
            get(connection, "ada", first)
        assert missing.value.code == "NoSuchEntity"
        assert get(connection, "ada", second).active
