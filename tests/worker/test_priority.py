"""A child that is put behind goes behind with all its threads, and where sessions count, with its session."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from living import await_that
from outcrop.worker.priority import Place, Standing, put

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
    """The kernel counts our session. In some containers the file is there and empty: control groups count there."""
    return AUTOGROUP.exists() and bool(AUTOGROUP.read_text().split())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a thread's own nice value is Linux's")
def test_every_thread_goes_behind_and_the_parent_does_not(child: int) -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    await_that(lambda: put(child, Standing.BEHIND), 20, "the kernel's ear")
    assert nices(child) == [10, 10]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.mark.skipif(not shares_by_session(), reason="this kernel shares processors without sessions")
def test_its_session_goes_behind_and_ours_does_not(child: int) -> None:
    mine = session_nice("self")
    await_that(lambda: put(child, Standing.BEHIND), 20, "the kernel's ear")
    assert (session_nice(child), session_nice("self")) == ("10", mine)


@pytest.mark.skipif(not shares_by_session(), reason="this kernel shares processors without sessions")
def test_its_session_comes_back_and_no_thread_goes_so_far_that_it_could_not(child: int) -> None:
    for standing in (Standing.LAST, Standing.BEHIND, Standing.LAST, Standing.FREE):
        await_that(lambda wanted=standing: put(child, wanted), 20, "the kernel's ear")
        assert session_nice(child) == str(int(standing))
    assert nices(child) == [10, 10]


def test_a_child_that_has_ended_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert put(process.pid, Standing.LAST)


def test_it_goes_where_it_is_to_stand_as_soon_as_that_is_known(child: int) -> None:
    wanted = Standing.FREE
    place = Place(child, lambda: wanted)
    place.look()
    assert nices(child) == [0, 0]
    wanted = Standing.BEHIND
    await_that(lambda: (place.look(), nices(child))[1] == [10, 10], 20, "a child that is behind")


def test_it_is_looked_at_from_the_start_and_not_after_the_end(child: int) -> None:
    looked = threading.Event()

    def standing() -> Standing:
        looked.set()
        return Standing.BEHIND

    before = threading.active_count()
    with Place(child, standing):
        assert looked.wait(20)
    assert threading.active_count() == before


def test_a_look_that_fails_is_told_and_the_child_goes_on(child: int, caplog: pytest.LogCaptureFixture) -> None:
    def standing() -> Standing:
        raise OSError("no database")

    with Place(child, standing):
        await_that(lambda: caplog.records, 20, "a word in the log")
    assert "is not known" in caplog.text
    assert nices(child) == [0, 0]
