"""Which engines are wanted."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

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


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A home whose path is too long for a socket, and a system whose temporary folder is not."""
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        yield Settings(home=tmp_path / ("x" * 120))


def test_engines_of_a_home_with_a_long_path_listen_in_a_private_folder_elsewhere(
    database: Database, far: Settings, noon: datetime
) -> None:
    socket = Path(engines.want(database, far, ONE, noon).socket)
    assert socket.parent.parent == Path(tempfile.gettempdir()) and socket == engines.socket_of(far, ONE)
    assert len(bytes(socket)) <= engines.LONGEST_SOCKET_PATH
    assert socket.parent.stat().st_mode & 0o777 == 0o700


def test_two_homes_with_long_paths_do_not_share_a_socket(far: Settings) -> None:
    other = Settings(home=far.home.with_name("y" * 120))
    assert engines.socket_of(far, ONE) != engines.socket_of(other, ONE)


def test_the_folder_that_stands_in_is_made_once_and_removed_with_all_in_it(far: Settings) -> None:
    for _ in range(2):
        engines.make_sockets_folder(far)
    folder = engines.sockets_folder(far)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "left.sock").touch()
    engines.remove_sockets_folder(far)
    assert not folder.exists()


def test_a_homes_own_folder_is_not_removed(settings: Settings) -> None:
    near = Settings(home=Path(tempfile.gettempdir()) / "near")
    assert engines.sockets_folder(near) == near.run_folder
    settings.run_folder.mkdir()
    engines.remove_sockets_folder(settings)
    assert settings.run_folder.is_dir()


@pytest.mark.parametrize("check", [engines.require_sockets_folder, engines.make_sockets_folder])
def test_a_folder_for_sockets_that_others_may_enter_is_refused(
    far: Settings, check: Callable[[Settings], None]
) -> None:
    engines.sockets_folder(far).mkdir(mode=0o755)
    with pytest.raises(SettingsError, match="not this user's alone"):
        check(far)


@pytest.mark.parametrize("check", [engines.require_sockets_folder, engines.make_sockets_folder])
@pytest.mark.parametrize("to", ["", "nowhere"], ids=["to a folder", "to nothing"])
def test_a_link_in_place_of_the_folder_for_sockets_is_refused(
    far: Settings, tmp_path: Path, to: str, check: Callable[[Settings], None]
) -> None:
    engines.sockets_folder(far).symlink_to(tmp_path / to)
    with pytest.raises(SettingsError, match="not this user's alone"):
        check(far)


def test_a_folder_for_sockets_that_cannot_be_made_is_said(far: Settings, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match=r"where engines are to listen, cannot be made: Not a directory"):
        engines.make_sockets_folder(far)
