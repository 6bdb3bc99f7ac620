"""Children are stopped whole, and what a crash left behind is killed by the next start."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from outcrop.worker import children

PATIENCE_S = 10.0


def _launch(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch, secrets: tuple[str, ...] = ()
) -> children.Child:
    (tmp_path / "a_child.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "child.log"
    launch = children.Launch(module="a_child", arguments=[], log=log, piped=True, secrets=secrets)
    return children.start(launch, tmp_path / "processes")


def _first_line(child: children.Child) -> str:
    assert child.process.stdout is not None
    return child.process.stdout.readline().decode().strip()


def _close(child: children.Child) -> None:
    for pipe in (child.process.stdin, child.process.stdout):
        if pipe is not None:
            pipe.close()


DEAF_WITH_GRANDCHILD = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(grandchild.pid, flush=True)
time.sleep(600)
"""


def test_a_deaf_child_and_its_own_children_are_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = _launch(tmp_path, DEAF_WITH_GRANDCHILD, monkeypatch)
    grandchild = psutil.Process(int(_first_line(child)))
    child.stop(grace_s=0.1)
    assert not child.running()
    _, alive = psutil.wait_procs([grandchild], timeout=PATIENCE_S)
    assert not alive
    assert not list((tmp_path / "processes").iterdir())
    _close(child)


def test_an_orphan_is_killed_by_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = _launch(tmp_path, DEAF_WITH_GRANDCHILD, monkeypatch)
    _first_line(child)
    assert children.kill_orphans(tmp_path / "processes") == 1
    assert not psutil.pid_exists(child.process.pid)
    child.process.wait()
    assert not list((tmp_path / "processes").iterdir())
    _close(child)


def test_another_process_with_a_recorded_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    record = {"pid": stranger.pid, "started": psutil.Process(stranger.pid).create_time() - 60}
    (tmp_path / "1.json").write_text(json.dumps(record))
    assert children.kill_orphans(tmp_path) == 0
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psutil.Process]:
    """What a child left in its session; the child itself is gone, its record is there."""
    child = _launch(tmp_path, DEAF_WITH_GRANDCHILD, monkeypatch)
    grandchild = psutil.Process(int(_first_line(child)))
    child.process.kill()
    child.process.wait()
    _close(child)
    yield grandchild
    with contextlib.suppress(psutil.NoSuchProcess):
        grandchild.kill()


def test_what_a_child_left_behind_is_killed(tmp_path: Path, left: psutil.Process) -> None:
    assert children.kill_orphans(tmp_path / "processes") == 1
    _, alive = psutil.wait_procs([left], timeout=PATIENCE_S)
    assert not alive


@pytest.mark.parametrize(
    "other",
    [{"mark": "0" * 32}, {"mark": None}, {"numbers": ["another start of the machine", "pid:[4026531836]"]}],
    ids=["another's", "an older record", "another start"],
)
def test_a_stranger_in_a_session_of_a_recorded_number_is_left_alone(
    tmp_path: Path, left: psutil.Process, other: dict[str, Any]
) -> None:
    """After a start of the machine, or in another container, a number that a record names may be anybody's."""
    (record,) = (tmp_path / "processes").iterdir()
    record.write_text(json.dumps({**json.loads(record.read_text()), **other}))
    assert children.kill_orphans(tmp_path / "processes") == 0
    assert left.is_running()


def test_a_record_cut_short_by_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text('{"pid": 1')
    assert children.kill_orphans(tmp_path) == 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "there"), [((), []), (("OUTCROP_VLLM_KEY",), ["OUTCROP_VLLM_KEY"])])
def test_a_child_does_not_inherit_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], there: list[str]
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "OUTCROP_VLLM_KEY"):
        monkeypatch.setenv(name, "a-secret")
    code = "import os; print([name for name, value in os.environ.items() if value == 'a-secret'], flush=True)"
    child = _launch(tmp_path, code, monkeypatch, given)
    assert _first_line(child) == str(there)
    child.stop()
    _close(child)


def test_the_log_of_a_child_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = _launch(tmp_path, "import sys; print('hello', file=sys.stderr)", monkeypatch)
    child.process.wait(PATIENCE_S)
    assert (tmp_path / "child.log").read_text() == "hello\n"
    assert (tmp_path / "child.log").stat().st_mode & 0o077 == 0
    child.stop()
    _close(child)


LIFELINE = "from outcrop.domain.lifeline import die_with_parent; die_with_parent(); print('alive')"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's lifeline is Linux's")
@pytest.mark.parametrize(("parent", "status"), [("gone", -9), ("here", 0), ("unnamed", 0)])
def test_a_child_ends_itself_where_its_parent_is_gone_already_and_nowhere_else(parent: str, status: int) -> None:
    """Named parents count, not process 1: in a container the parent may be process 1."""
    environment = {name: value for name, value in os.environ.items() if name != "OUTCROP_PARENT"}
    named = {"gone": {"OUTCROP_PARENT": "1"}, "here": {"OUTCROP_PARENT": str(os.getpid())}, "unnamed": {}}
    environment |= named[parent]
    ended = subprocess.run([sys.executable, "-c", LIFELINE], env=environment, capture_output=True)
    assert ended.returncode == status
