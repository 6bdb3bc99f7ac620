"""Which engines are wanted."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from outcrop.config import Settings
from outcrop.domain.errors import SettingsError
from outcrop.store import engines
from outcrop.store.database import Database
from outcrop.store.engines import EngineState

ONE, TWO = Path("/checkpoints/one"), Path("/checkpoints/two")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def state(database: Database, checkpoint: Path) -> EngineState:
    with database.read() as connection:
        found = engines.find(connection, checkpoint)
    assert found is not None
    return found.state


def test_a_wish_is_heard_once(database: Database, settings: Settings, noon: datetime) -> None:
    made = engines.want(database, settings, ONE, noon)
    assert engines.want(database, settings, ONE, noon + timedelta(hours=1)) == made
    engines.want(database, settings, TWO, noon - timedelta(hours=1))
    assert [engine.checkpoint for engine in engines.wanted(database)] == [str(TWO), str(ONE)]
    assert made.socket == str(engines.socket_of(settings, ONE))
    assert made.socket != str(engines.socket_of(settings, TWO))


def test_a_wish_does_not_disturb_what_starts_or_answers(database: Database, settings: Settings, noon: datetime) -> None:
    engines.want(database, settings, ONE, noon)
    engines.starting(database, str(ONE), 42)
    assert engines.want(database, settings, ONE, noon).state is EngineState.STARTING
    engines.ready(database, str(ONE), noon)
    ready = engines.want(database, settings, ONE, noon)
    assert (ready.state, ready.pid, ready.ready_at) == (EngineState.READY, 42, noon)
    assert engines.wanted(database) == []


def test_what_is_gone_says_why_and_can_be_wished_again(database: Database, settings: Settings, noon: datetime) -> None:
    engines.want(database, settings, ONE, noon)
    engines.gone(database, str(ONE), "exit status 1")
    [gone] = engines.every(database)
    assert (gone.state, gone.detail, gone.pid) == (EngineState.GONE, "exit status 1", None)
    assert engines.wanted(database) == []
    engines.want(database, settings, ONE, noon)
    assert state(database, ONE) is EngineState.WANTED


def test_a_home_whose_sockets_could_not_be_bound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="too long"):
        engines.socket_of(Settings(home=tmp_path / ("x" * 80)), ONE)
