"""A child's tie to its parent: when the parent dies, however it dies, the child does too. Knows not what runs."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PARENT = "OUTCROP_PARENT"  # the environment variable in which a parent leaves its process number


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the thread that started this process ends. Does nothing where there is no prctl.

    Call it first thing: a parent that died even earlier is noticed where it left its number. (That process 1 has taken
    its place would not tell: in a container the parent may well be process 1.)
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
        os.kill(os.getpid(), signal.SIGKILL)
