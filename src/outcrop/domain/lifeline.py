"""A child's tie to its parent: when the parent dies, however it dies, so does the child. Knows nothing of what runs."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the thread that started this process ends. Does nothing where there is no prctl.

    Call it first thing: a parent that died even earlier is noticed by its place being taken by process 1.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
