"""How memory and threads must be set before torch loads: a program that finds them otherwise starts itself anew."""

import os
import sys

# Returning large blocks to the system and fetching them again costs a third of a step.
# One thread a product: the shares of a batch run side by side instead.
SETTINGS = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 33), "OMP_NUM_THREADS": "1"}


def require_allocator() -> None:
    """Call it first: where the settings differ, this process becomes the same program under the right ones."""
    if any(os.environ.get(name) != value for name, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **SETTINGS})
