"""A process's place behind others on the same processors. Knows not what runs.

Linux may share processors by sessions first (autogroup, `kernel/sched/autogroup.c`): then a nice value counts only
among the processes of one session, and it is the session's own that decides. Children lead sessions of their own.
"""

import contextlib
import errno
import os
import time
from pathlib import Path

LOWEST = 19
AUTOGROUP = Path("/proc/self/autogroup")
_TRIES, _PAUSE_S = 5, 0.11
"""The kernel takes one such wish in a tenth of a second from all of the machine's users together."""


def step_aside() -> None:
    """Run on what others leave. Call it first thing: threads started before keep their place.

    Where there are no autogroups the nice value alone decides, as on systems other than Linux. A process that does not
    lead its session, one that a user started in a terminal, leaves the session as it is.
    """
    os.nice(LOWEST)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # no Linux, or a kernel without autogroups
            _lower_the_session()


def _lower_the_session() -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            AUTOGROUP.write_text(str(LOWEST))
        except OSError as error:
            if error.errno != errno.EAGAIN or not tries_left:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
