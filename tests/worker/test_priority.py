"""A child that is put behind goes behind with all its threads, and where sessions count, with its session."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from living import await_that
from outcrop.worker.priority import BEHIND, LOOK_EVERY_S, Place, put_behind

AUTOGROUP = Path("/proc/self/autogroup")
PROGRAM = """
import sys, threading
from pathlib import Path
threading.Thread(target=sys.stdin.read).start()
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child() -> Iterator[int]:
    """A process with two threads that leads a session."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], start_new_session=True, **pipes) as process:  # type: ignore[call-overload]  # the two pipes
        assert process.stdout.readline() == b"up\n"
        yield process.pid
        process.kill()


def nices(pid: int) -> list[int]:
    return [os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()]


def session_nice(pid: int | str) -> str:
    return Path(f"/proc/{pid}/autogroup").read_text().split()[-1]


def shares_by_session() -> bool:
    """The kernel counts our session. In some containers the file is there and empty: control groups share them out."""
    return AUTOGROUP.exists() and bool(AUTOGROUP.read_text().split())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a thread's own nice value is Linux's")
def test_every_thread_goes_behind_and_the_parent_does_not(child: int) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    await_that(lambda: put_behind(child), 20, "the kernel's ear")
    assert nices(child) == [BEHIND, BEHIND]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.skipif(not shares_by_session(), reason="this kernel shares processors without sessions")
def test_its_session_goes_behind_and_ours_does_not(child: int) -> None:
    mine = session_nice("self")
    await_that(lambda: put_behind(child), 20, "the kernel's ear")
    assert (session_nice(child), session_nice("self")) == (str(BEHIND), mine)


def test_a_child_that_has_ended_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert put_behind(process.pid)


def test_it_is_looked_now_and_then_until_there_is_somebody_to_go_before(child: int) -> None:
    now, asked = [0.0], []

    def outranked() -> bool:
        asked.append(now[0])
        return now[0] > LOOK_EVERY_S

    place = Place(child, outranked, lambda: now[0])
    for now[0] in (0.0, 0.1, 0.2, LOOK_EVERY_S + 0.1):
        place.look()
    assert asked == [0.0, LOOK_EVERY_S + 0.1]
    assert BEHIND in nices(child)
