"""The home: made once, opened often, refused where something is wrong; two starters, and one killed midway."""

import multiprocessing
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from outcrop.config import Settings
from outcrop.domain.errors import SettingsError
from outcrop.sealed import new_key
from outcrop.store import identities
from outcrop.store.home import open_home
from outcrop.store.keys import Keys

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "deep" / "home")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened_and_closed(settings: Settings) -> tuple[str, tuple[str, str]]:
    home = open_home(settings, NOON)
    try:
        return home.account, tuple(home.administrator())
    finally:
        home.close()


def refusal(settings: Settings) -> str:
    with pytest.raises(SettingsError) as refused:
        open_home(settings, NOON)
    return str(refused.value)


def test_the_first_start_makes_folder_key_account_and_administrator(settings: Settings) -> None:
    home = open_home(settings, NOON)
    assert mode(settings.home) == 0o700
    assert mode(settings.master_key_file) == 0o600
    assert settings.master_key_file.read_bytes() == home.master_key
    assert len(home.account) == 12
    assert home.account.isdigit()
    key = home.administrator()
    assert key.access_key_id.startswith("AKIA")
    assert (len(key.access_key_id), len(key.secret)) == (20, 40)
    credential = identities.find_credential(home.database, home.master_key, key.access_key_id, NOON)
    assert credential is not None
    assert (credential.secret, credential.arn) == (key.secret, f"arn:aws:iam::{home.account}:root")
    home.close()


def test_every_other_start_finds_the_same(settings: Settings) -> None:
    assert opened_and_closed(settings) == opened_and_closed(settings)


def test_the_services_own_key_is_there_and_stays(settings: Settings) -> None:
    first = open_home(settings, NOON)
    plaintext, wrapped = Keys(first.database, first.master_key).generate_data_key(None, {"job": "1"})
    first.close()
    second = open_home(settings, NOON)
    assert Keys(second.database, second.master_key).unwrap(wrapped, {"job": "1"}) == plaintext
    second.close()


def test_no_secret_is_readable_in_the_home(settings: Settings) -> None:
    home = open_home(settings, NOON)
    key = home.administrator()
    home.close()
    kept = b"".join(path.read_bytes() for path in settings.home.rglob("*") if path.is_file())
    assert key.secret.encode() not in kept
    assert repr(home.master_key) not in repr(home)


def test_every_table_is_made(settings: Settings) -> None:
    home = open_home(settings, NOON)
    names = set(sa.inspect(home.database.engine).get_table_names())
    assert {"home", "iam_entities", "kms_keys", "jobs"} <= names
    home.close()


def _open(home: Path, results: "multiprocessing.Queue[tuple[str, tuple[str, str]]]") -> None:
    results.put(opened_and_closed(Settings(home=home)))


def test_starters_at_the_same_moment_make_one_home(settings: Settings) -> None:
    spawning = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[str, tuple[str, str]]] = spawning.Queue()
    starters = [spawning.Process(target=_open, args=(settings.home, results)) for _ in range(3)]
    for starter in starters:
        starter.start()
    found = {results.get(timeout=60) for _ in starters}
    for starter in starters:
        starter.join(60)
    assert len(found) == 1


_DIES = """
import os, sys
from pathlib import Path
from outcrop.config import Settings
from outcrop.store.home import open_home
def trace(frame, event, _):
    if event == "call" and frame.f_code.co_name == sys.argv[2]:
        os._exit(9)
sys.setprofile(trace)
open_home(Settings(home=Path(sys.argv[1])))
"""


@pytest.mark.parametrize(
    "on_entering",
    [
        "migrate",
        "_make_tags",
        "_write_key",
        "_sync_folder",
        "_read_key",
        "_move_in",
        "add_access_key",
        "add_service_key",
    ],
)
def test_a_start_killed_midway_harms_no_later_one(settings: Settings, on_entering: str) -> None:
    settings.home.parent.mkdir()
    killed = subprocess.run([sys.executable, "-c", _DIES, str(settings.home), on_entering], check=False)
    assert killed.returncode == 9
    assert opened_and_closed(settings) == opened_and_closed(settings)


def test_a_half_written_key_of_a_killed_start_is_written_again(settings: Settings) -> None:
    settings.home.mkdir(parents=True, mode=0o700)
    (settings.home / "master.key.part").write_bytes(b"half")
    opened_and_closed(settings)
    assert sorted(settings.home.glob("master.key*")) == [settings.master_key_file]


def test_a_missing_master_key_is_said(settings: Settings) -> None:
    opened_and_closed(settings)
    settings.master_key_file.unlink()
    said = refusal(settings)
    assert str(settings.master_key_file) in said
    assert "missing" in said
    assert not settings.master_key_file.exists()


def test_another_homes_master_key_is_said(settings: Settings) -> None:
    opened_and_closed(settings)
    settings.master_key_file.write_bytes(new_key())
    assert "another home" in refusal(settings)


def test_a_master_key_of_the_wrong_length_is_said(settings: Settings) -> None:
    opened_and_closed(settings)
    settings.master_key_file.write_bytes(b"short")
    assert "32 bytes, this file has 5" in refusal(settings)


def test_a_master_key_that_others_can_read_is_refused(settings: Settings) -> None:
    opened_and_closed(settings)
    settings.master_key_file.chmod(0o644)
    assert "chmod 600" in refusal(settings)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads and writes everything")
def test_what_belongs_to_another_user_is_said(settings: Settings) -> None:
    opened_and_closed(settings)
    settings.master_key_file.chmod(0o000)
    assert "another user" in refusal(settings)
    settings.home.chmod(0o500)
    assert "cannot be written to" in refusal(settings)


def test_an_empty_folder_is_closed_to_others(settings: Settings) -> None:
    settings.home.mkdir(parents=True, mode=0o755)
    opened_and_closed(settings)
    assert mode(settings.home) == 0o700


def test_a_folder_that_holds_other_things_is_left_alone(settings: Settings) -> None:
    settings.home.mkdir(parents=True, mode=0o755)
    (settings.home / "thesis.tex").write_text("")
    assert "holds other things" in refusal(settings)
    assert mode(settings.home) == 0o755
    assert [path.name for path in settings.home.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_homes_place_is_said(settings: Settings) -> None:
    settings.home.parent.mkdir()
    settings.home.write_text("")
    assert "cannot be made there" in refusal(settings)
