"""A child's place behind others on the same processors. Knows not what the child does, nor who goes before it.

Linux may share processors by sessions first (autogroup, `kernel/sched/autogroup.c`): then a nice value counts only
among the processes of one session, and between sessions it is the session's own that decides. Children lead sessions
of their own. There a nice value is also each thread's own; new threads have that of the one that starts them.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import TracebackType

LOOK_EVERY_S = 1.0
PROCESSES = Path("/proc")
LOG = logging.getLogger(__name__)


class Standing(IntEnum):
    """How far behind, as a nice value."""

    FREE = 0
    BEHIND = 10
    """Where both want one core, it has a tenth (weights 110 and 1024): it goes on, and disturbs little."""
    LAST = 19
    """A seventieth (15 and 1024): what nobody else wants is its own, and little more."""


class Place:
    """Where one child stands, looked at now and then, in a thread of its own, within `with`.

    A user may lower a thread of his own and not raise it again, but a session as often as he likes: no thread goes
    further than BEHIND, and where sessions do not count there it stays.
    """

    def __init__(self, pid: int, standing: Callable[[], Standing]) -> None:
        self._pid = pid
        self._standing = standing
        self._stands = Standing.FREE
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="place", daemon=True)

    def __enter__(self) -> "Place":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def look(self) -> None:
        """Move the child to where it is to stand. What the kernel would not hear yet is said again at the next look."""
        wanted = self._standing()
        if wanted != self._stands and put(self._pid, wanted):
            self._stands = wanted

    def _keep(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # a database that is away: the child goes on where it stands, and is looked at again
                LOG.exception("the place of process %s is not known", self._pid)
            if self._ended.wait(LOOK_EVERY_S):
                return


def put(pid: int, standing: Standing) -> bool:
    """Move the session that a process leads, and lower all its threads. False: the kernel wants to be asked again.

    Without autogroups the nice value decides alone, as on systems other than Linux.
    """
    lowest = min(standing, Standing.BEHIND)
    for number in _threads(pid):
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.setpriority(os.PRIO_PROCESS, number, max(lowest, os.getpriority(os.PRIO_PROCESS, number)))
    session = PROCESSES / str(pid) / "autogroup"
    if not session.exists():
        return True
    try:
        session.write_text(str(int(standing)))
    except BlockingIOError:  # one such wish in a tenth of a second, of all of the machine's users together
        return False
    except OSError:  # it ended meanwhile
        return True
    return True


def _threads(pid: int) -> list[int]:
    tasks = PROCESSES / str(pid) / "task"
    return [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else [pid]
