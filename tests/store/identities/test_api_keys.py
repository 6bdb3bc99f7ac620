"""From an alias to whom a key proves: right, fast, never longer than it is true, and no key in the database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from outcrop.config import Settings
from outcrop.domain import api_key
from outcrop.domain.errors import Fault
from outcrop.store import identities
from outcrop.store.home import Home, open_home
from outcrop.store.identities import ApiKey, Entity, Kind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = open_home(Settings(home=tmp_path / "home"), NOON)
    with identities.changing(opened.database) as connection:
        arn = f"arn:aws:iam::{opened.account}:user/bob"
        bob = Entity(kind=Kind.USER, name="bob", path="/", unique_id="IDbob", arn=arn, created_at=NOON)
        identities.create(connection, bob)
    yield opened
    opened.close()


def add(home: Home, days: int | None = None) -> tuple[ApiKey, str]:
    with identities.changing(home.database) as connection:
        return identities.add_api_key(connection, identities.get(connection, Kind.USER, "bob"), NOON, days)


def test_a_key_proves_its_user(home: Home) -> None:
    key, text = add(home)
    found = identities.find_api_key(home.database, key.alias, NOON)
    assert found is not None
    assert (found.id, found.user_id, found.digest) == (key.id, "IDbob", api_key.digest(text))
    assert api_key.alias_of(text) == key.alias
    assert identities.find_api_key(home.database, "bob-at-nowhere", NOON) is None


def test_the_database_and_what_is_printed_hold_no_key(home: Home) -> None:
    key, text = add(home)
    secret = text.removeprefix("ABSK")
    with home.database.read() as connection:
        row = connection.execute(sa.text("select * from iam_api_keys")).one()
    assert secret not in repr(row) and secret not in repr(key)
    assert repr(api_key.digest(text)) not in repr(identities.find_api_key(home.database, key.alias, NOON))


def test_a_key_that_is_inactive_or_deleted_proves_nobody_at_once(home: Home) -> None:
    key, _ = add(home)
    for active in (False, True):
        with identities.changing(home.database) as connection:
            identities.set_api_key_status(connection, key, active)
        assert (identities.find_api_key(home.database, key.alias, NOON) is not None) == active
    with identities.changing(home.database) as connection:
        identities.delete_api_key(connection, key)
    assert identities.find_api_key(home.database, key.alias, NOON) is None


def test_a_key_ends_with_its_days(home: Home) -> None:
    key, _ = add(home, days=2)
    assert identities.find_api_key(home.database, key.alias, NOON + timedelta(days=2, microseconds=-1)) is not None
    assert identities.find_api_key(home.database, key.alias, NOON + timedelta(days=2)) is None


def test_a_key_that_is_known_costs_no_statement(home: Home) -> None:
    key, _ = add(home)
    identities.find_api_key(home.database, key.alias, NOON)
    statements: list[str] = []
    sa.event.listen(home.database.engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    assert identities.find_api_key(home.database, key.alias, NOON) is not None
    assert statements == []


def test_no_name_of_one_kind_reaches_what_is_known_under_another(home: Home) -> None:
    administrator, (key, _) = home.administrator().access_key_id, add(home)
    for _ in range(2):  # once they are known, too
        assert identities.find_credential(home.database, home.master_key, administrator, NOON) is not None
        assert identities.find_api_key(home.database, key.alias, NOON) is not None
        assert identities.find_api_key(home.database, administrator, NOON) is None
        assert identities.find_credential(home.database, home.master_key, key.alias, NOON) is None


def test_a_user_has_two_keys_at_most_and_goes_after_them(home: Home) -> None:
    keys = [add(home)[0] for _ in range(2)]
    assert len({key.alias for key in keys}) == 2
    with pytest.raises(Fault) as refused:
        add(home)
    assert refused.value.code == "LimitExceeded"
    with identities.changing(home.database) as connection:
        bob = identities.get(connection, Kind.USER, "bob")
        with pytest.raises(Fault, match="service-specific credentials"):
            identities.delete(connection, bob)
        for key in keys:
            identities.delete_api_key(connection, key)
        identities.delete(connection, bob)
