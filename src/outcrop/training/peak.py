"""The memory that this process holds, and the most it ever held. Knows nothing of what it was used for."""

import contextlib
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Bytes of memory this process held at once, at most.

    Linux's rusage also counts the process that started this one, as large as it was then: the kernel's own high-water
    mark does not.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    return _stated("VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_now() -> int:
    """Bytes of memory this process holds; 0 where the system does not say."""
    return _stated("VmRSS:")


def peak_of_card() -> int:
    """Bytes of the accelerator's memory that tensors took at once, at most; 0 where there is none."""
    import torch

    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else 0


def _stated(name: str) -> int:
    """What the kernel says of this process, in bytes; 0 where it says nothing of the kind."""
    with contextlib.suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0
