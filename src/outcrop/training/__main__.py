"""The training child: `python -m outcrop.training PLAN.json OUT_DIR [CHECKPOINTS]`, keys on stdin, events on stdout.

Ends with 0 after Finished and with 1 after Failed. SIGTERM ends it at once: what it wrote is only named when whole.
"""

import base64
import binascii
import os
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from outcrop.domain.errors import JobFailure, OutcropError
from outcrop.domain.events import Event, Failed, Finished, to_line
from outcrop.domain.lifeline import die_with_parent
from outcrop.domain.plan import TrainingPlan
from outcrop.training.peak import peak_memory, peak_of_card

# oneDNN keeps a compiled product for each shape, and torch another copy: 1,024 of both unless told otherwise, half a
# megabyte each. Packed pieces rarely have the same shape twice; 64 hold those of one piece, and every layer finds them.
# (24 rows of the pebble, one at a time: 764 MB became 429, at the same speed.)
KEPT_PRODUCTS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64", "LRU_CACHE_CAPACITY": "64"}
OUT_OF_MEMORY = "The training ran out of memory; hint: a smaller batchSize or shorter rows."
ALLOCATOR_SIGNS = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
MILLISECONDS = 3  # decimals of a second


def main(arguments: Sequence[str], source: TextIO, events: TextIO) -> int:
    """Runs the plan named by `arguments`; answers the exit status."""

    def tell(event: Event) -> None:
        print(to_line(event), file=events, flush=True)

    began = time.monotonic()
    try:
        plan_file, out, *checkpoints = arguments
        keys = _keys(source)
        plan = TrainingPlan.from_json(Path(plan_file).read_text(encoding="utf-8"))
        for name, value in KEPT_PRODUCTS.items():
            os.environ.setdefault(name, value)
        from outcrop.training.child import run  # torch loads only once the plan is read

        checkpoint_folder = Path(checkpoints[0]) if checkpoints else None
        tell(_measured(run(plan, Path(out), keys, tell, checkpoint_folder), began))
    except OutcropError as error:
        tell(Failed(cause=str(error)))
    except Exception as error:  # whatever else happens, the last line is an event, and the trace goes to the log
        traceback.print_exc()
        tell(Failed(cause=OUT_OF_MEMORY if _is_out_of_memory(error) else _unexpected(error)))
    else:
        return 0
    return 1


def _is_out_of_memory(error: Exception) -> bool:
    """Python's word, a card's (by name: torch may not be loaded yet), and what torch's CPU allocator says."""
    named = type(error).__name__ == "OutOfMemoryError"
    return isinstance(error, MemoryError) or named or any(sign in str(error) for sign in ALLOCATOR_SIGNS)


def _unexpected(error: Exception) -> str:
    return f"The training failed for a reason of its own ({type(error).__name__})."


def _measured(finished: Finished, began: float) -> Finished:
    """With what the run took: said last, so that saving counts too."""
    return replace(
        finished,
        peak_bytes=peak_memory(),
        card_peak_bytes=peak_of_card(),
        seconds=round(time.monotonic() - began, MILLISECONDS),
    )


def _keys(source: TextIO) -> list[bytes]:
    """One base64 line a key. What was read is never told."""
    try:
        keys = [base64.b64decode(line, validate=True) for line in source.read().split()]
    except (binascii.Error, ValueError):
        keys = []
    if not keys:
        raise JobFailure("No data key was given on standard input.")
    return keys


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(sys.argv[1:], sys.stdin, sys.stdout))
