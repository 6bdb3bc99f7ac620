"""A child's place behind others on the same processors. Knows not what the child does.

Linux may share processors by sessions first (autogroup, `kernel/sched/autogroup.c`): then a nice value counts only
among the processes of one session, and between sessions it is the session's own that decides. Children lead sessions
of their own. There a nice value is also each thread's own; new threads have that of the one that starts them.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

BEHIND = 10
"""Where both want one core, who is behind gets a tenth (weights 110 and 1024): it goes on, and disturbs little."""
LOOK_EVERY_S = 1.0
PROCESSES = Path("/proc")


class Place:
    """Where one child stands: as it was started, until somebody must be served first; behind from then on.

    A user may lower a process of his own and not raise it again.
    """

    def __init__(self, pid: int, outranked: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._outranked = outranked
        self._clock = clock
        self._looked = float("-inf")
        self._behind = False

    def look(self) -> None:
        """Now and then: is the child to go behind?"""
        if self._behind or self._clock() - self._looked < LOOK_EVERY_S:
            return
        self._looked = self._clock()
        self._behind = self._outranked() and put_behind(self._pid)


def put_behind(pid: int) -> bool:
    """Lower all threads of a process, and the session that it leads. False where the kernel wants to be asked again.

    Without autogroups the nice value decides alone, as on systems other than Linux.
    """
    for number in _threads(pid):
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.setpriority(os.PRIO_PROCESS, number, max(BEHIND, os.getpriority(os.PRIO_PROCESS, number)))
    session = PROCESSES / str(pid) / "autogroup"
    if not session.exists():
        return True
    try:
        session.write_text(str(BEHIND))
    except BlockingIOError:  # one such wish in a tenth of a second, of all of the machine's users together
        return False
    except OSError:  # it ended meanwhile
        return True
    return True


def _threads(pid: int) -> list[int]:
    tasks = PROCESSES / str(pid) / "task"
    return [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else [pid]
