"""`outcrop env` points any AWS client at the server that runs on a home, and says so where none does."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from living import Outcrop, no_credentials
from outcrop.cli.options import RunningServer, address_file, find_server, leave_address
from outcrop.config import Settings
from outcrop.store.home import open_home

pytestmark = pytest.mark.xdist_group("cli")


def _leave(home: Path, **changed: Any) -> None:
    settings = Settings(home=home)
    open_home(settings).close()
    settings.run_folder.mkdir()
    leave_address(settings, RunningServer.here("http://127.0.0.1:1", None))
    told = json.loads(address_file(settings).read_text())
    address_file(settings).write_text(json.dumps({**told, **changed}))


def test_a_shell_that_evaluates_it_has_what_a_client_needs(outcrop: Outcrop) -> None:
    script = f'eval "$({sys.executable} -m outcrop.cli env --home {shlex.quote(str(outcrop.home))})"; env'
    printed = subprocess.run(["bash", "-c", script], env=no_credentials(), capture_output=True, text=True, check=True)
    seen = dict(line.split("=", 1) for line in printed.stdout.splitlines() if line.startswith("AWS_"))
    assert seen == outcrop.variables
    assert seen.keys() == {
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
    }


def test_a_session_token_of_other_credentials_is_switched_off(outcrop: Outcrop, run: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another account")
    assert "export AWS_SESSION_TOKEN=''\n" in run("env", "--home", outcrop.home).out


def test_odd_characters_in_the_home_survive_the_shell(tmp_path: Path, run: Any) -> None:
    bundle = "/a home's/$(touch x)/certificate.pem"
    home = tmp_path / "a home's $HOME"
    _leave(home, ca=bundle)
    line = next(line for line in run("env", "--home", home).out.splitlines() if "CA_BUNDLE" in line)
    assert shlex.split(line) == ["export", f"AWS_CA_BUNDLE={bundle}"]


@pytest.mark.parametrize("command", ["env", "status", "cleanup"])
def test_no_server_is_said_with_how_to_start_one(tmp_path: Path, run: Any, command: str) -> None:
    ended = run(command, "--home", tmp_path)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == f"outcrop: no server runs on {tmp_path}. hint: outcrop serve --home {tmp_path}\n"


def test_the_address_of_a_server_that_was_killed_is_no_address(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    _leave(tmp_path / "dead", pid=dead.pid)
    assert find_server(tmp_path / "dead") is None


def test_another_process_with_the_servers_number_is_no_server(tmp_path: Path) -> None:
    _leave(tmp_path / "home", started=psutil.Process().create_time() - 60)
    assert find_server(tmp_path / "home") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": "http://127.0.0.1:1"}'])
def test_a_damaged_address_is_no_address(tmp_path: Path, content: str) -> None:
    _leave(tmp_path / "home")
    address_file(Settings(home=tmp_path / "home")).write_text(content)
    assert find_server(tmp_path / "home") is None


def test_a_living_server_is_found(tmp_path: Path) -> None:
    _leave(tmp_path / "home")
    found = find_server(tmp_path / "home")
    assert found is not None and found.pid == os.getpid()
