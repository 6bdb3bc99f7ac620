"""From an access key id to a credential: right, fast, and never longer than it is true."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from outcrop.config import Settings
from outcrop.domain.errors import Fault
from outcrop.store import identities
from outcrop.store.database import Database
from outcrop.store.home import Home, open_home
from outcrop.store.identities import Credential, Entity, Kind, SessionTerms
from outcrop.store.identities.credentials import FRESH_FOR

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Scene:
    """A home with the user `bob`, his key, and a count of what was asked of the database."""

    home: Home
    key_id: str
    secret: str
    statements: int = 0

    def find(self, database: Database | None = None, now: datetime = NOON) -> Credential | None:
        return identities.find_credential(database or self.home.database, self.home.master_key, self.key_id, now)

    def set_active(self, active: bool, database: Database | None = None) -> None:
        with identities.changing(database or self.home.database) as connection:
            key = identities.access_key(connection, "bob", self.key_id)
            identities.set_access_key_status(connection, key, active)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    home = open_home(Settings(home=tmp_path / "home"), NOON)
    with identities.changing(home.database) as connection:
        identities.create(connection, entity(Kind.USER, home.account, "bob"))
        made = Scene(home, *identities.add_access_key(connection, home.master_key, "bob", NOON))

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        made.statements += statement.lower().startswith("select")

    sa.event.listen(home.database.engine, "before_cursor_execute", count)
    yield made
    home.close()


@pytest.fixture
def other(scene: Scene) -> Iterator[Database]:
    """The same database as another process sees it: with a cache of its own."""
    opened = Database(scene.home.settings.database_url)
    yield opened
    opened.close()


def entity(kind: Kind, account: str, name: str) -> Entity:
    arn = f"arn:aws:iam::{account}:{kind}/{name}"
    return Entity(kind=kind, name=name, path="/", unique_id=f"ID{name}", arn=arn, created_at=NOON, max_session_s=3600)


def test_a_users_key_proves_the_user(scene: Scene) -> None:
    found = scene.find()
    assert found is not None
    assert (found.secret, found.user_name, found.user_id) == (scene.secret, "bob", "IDbob")
    assert found.session_token is None
    assert scene.secret not in repr(found)


def test_an_unknown_key_proves_nobody(scene: Scene) -> None:
    database, master_key = scene.home.database, scene.home.master_key
    for unknown in ("AKIAUNKNOWN", "ASIAUNKNOWN", ""):
        assert identities.find_credential(database, master_key, unknown, NOON) is None


def test_a_known_credential_costs_no_statement(scene: Scene) -> None:
    scene.find()
    scene.statements = 0
    for _ in range(100):
        assert scene.find() is not None
    assert scene.statements == 0


def test_after_a_while_a_known_credential_costs_one_small_statement(scene: Scene) -> None:
    scene.find()
    scene.statements = 0
    assert scene.find(now=NOON + FRESH_FOR) is not None
    assert scene.statements == 1


def test_a_deactivated_key_is_refused_at_once(scene: Scene) -> None:
    assert scene.find() is not None
    scene.set_active(False)
    assert scene.find() is None
    scene.set_active(True)
    assert scene.find() is not None


def test_a_deleted_key_is_refused_at_once(scene: Scene) -> None:
    assert scene.find() is not None
    with identities.changing(scene.home.database) as connection:
        identities.delete_access_key(connection, identities.access_key(connection, "bob", scene.key_id))
    assert scene.find() is None


def test_another_processs_change_is_seen_within_a_second(scene: Scene, other: Database) -> None:
    assert scene.find() is not None
    scene.set_active(False, other)
    assert scene.find(now=NOON + FRESH_FOR) is None
    assert timedelta(seconds=1) >= FRESH_FOR


def test_a_clock_set_back_is_no_reason_to_believe_longer(scene: Scene, other: Database) -> None:
    assert scene.find() is not None
    scene.set_active(False, other)
    assert scene.find(now=NOON - timedelta(days=1)) is None


def test_a_change_that_is_rolled_back_changes_nothing(scene: Scene) -> None:
    with pytest.raises(RuntimeError), identities.changing(scene.home.database) as connection:
        key = identities.access_key(connection, "bob", scene.key_id)
        identities.set_access_key_status(connection, key, False)
        raise RuntimeError
    assert scene.find() is not None


def test_a_credential_read_while_it_changes_is_not_kept(scene: Scene) -> None:
    """A reader that began before the change must not bring the old credential back after it."""
    scene.find()
    scene.set_active(True)  # the cache is stale: the reader has to read
    began, changed = threading.Event(), threading.Event()

    def wait_once(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "iam_entities" in statement and threading.current_thread() is reader:
            began.set()
            assert changed.wait(20)

    sa.event.listen(scene.home.database.engine, "before_cursor_execute", wait_once)
    reader = threading.Thread(target=scene.find)
    reader.start()
    assert began.wait(20)
    scene.set_active(False)
    changed.set()
    reader.join(20)
    assert scene.find() is None


def test_a_sessions_end_is_its_roles_end(scene: Scene) -> None:
    home = scene.home
    role = entity(Kind.ROLE, home.account, "trainer")
    with identities.changing(home.database) as connection:
        identities.create(connection, role)
        session = identities.open_session(
            connection, home.master_key, role, SessionTerms(name="s", duration_s=900), NOON
        )

    def found() -> Credential | None:
        return identities.find_credential(home.database, home.master_key, session.access_key_id, NOON)

    credential = found()
    assert credential is not None
    assert (credential.role_name, credential.session_token) == ("trainer", session.token)
    assert session.token not in repr(session) + repr(credential)
    with identities.changing(home.database) as connection:
        identities.delete(connection, role)
    assert found() is None


def test_who_is_behind_a_principal(scene: Scene) -> None:
    account = scene.home.account
    with identities.changing(scene.home.database) as connection:
        identities.create(connection, entity(Kind.ROLE, account, "trainer"))
    with scene.home.database.read() as connection:

        def behind(arn: str) -> str | None:
            found = identities.behind(connection, arn)
            return None if found is None else f"{found.kind} {found.name}"

        assert behind(f"arn:aws:iam::{account}:user/team/bob") == "user bob"
        assert behind(f"arn:aws:sts::{account}:assumed-role/trainer/s") == "role trainer"
        assert behind(f"arn:aws:iam::{account}:root") is None
        assert behind("nonsense") is None


def test_a_missing_name_is_said_by_kind(scene: Scene) -> None:
    with scene.home.database.read() as connection, pytest.raises(Fault, match="The role with name x cannot be found"):
        identities.get(connection, Kind.ROLE, "x")
