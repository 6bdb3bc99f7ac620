"""How fast this machine is: `python -m outcrop.training.calibration THREADS`, one JSON object on standard output.

Measures what estimates divide by: matrix products in each precision, an elementwise pass, how long torch takes to load
and what a process holds that has computed something. Knows no plan and no model.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from outcrop.domain.lifeline import die_with_parent
from outcrop.training.peak import memory_now

SIDE = 768  # large enough for the library's best kernels, small enough for milliseconds
COPIED = 1 << 22  # numbers: 16 MB, beyond the caches of most cores
REPEATS = 5  # the best of them: whatever else ran only makes it slower
CARD_FACTOR = 8  # a card needs larger products to be busy
NANOSECONDS = 1_000_000_000


def measured(threads: int, loaded_s: float) -> dict[str, Any]:
    """Speeds on `threads` threads, or of the card where there is one."""
    import torch

    from outcrop.modeling.products import product  # the library that the engine takes, too

    torch.set_num_threads(threads)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    device = torch.device("cuda" if card else "cpu")
    side = SIDE * (CARD_FACTOR if card else 1)

    def best(work: Callable[[], Any]) -> float:
        times = []
        for _ in range(REPEATS):
            began = time.perf_counter_ns()
            work()
            if card:
                torch.cuda.synchronize()
            times.append(time.perf_counter_ns() - began)
        return min(times) / NANOSECONDS

    speeds = {}
    for name in ("float32", "bfloat16"):
        matrix = torch.randn(side, side, device=device).to(getattr(torch, name))
        speeds[name] = 2 * side**3 / best(lambda matrix=matrix: product(matrix, matrix.t()))  # type: ignore[misc]  # a default binds the loop's matrix
    del matrix
    holds = memory_now()
    numbers = torch.ones(COPIED, device=device)
    return {
        "card": card,
        "card_total_bytes": torch.cuda.mem_get_info()[1] if card else 0,
        "multiply_flops": speeds,
        "copy_bytes_s": numbers.nbytes / best(lambda: numbers * 2.0),
        "start_s": loaded_s,
        "process_bytes": holds,
    }


def main() -> None:
    """Prints what was measured."""
    began = time.monotonic()
    import outcrop.training.child  # noqa: F401  # what a training process loads

    print(json.dumps(measured(int(sys.argv[1]), time.monotonic() - began)))  # noqa: T201  # its only word


if __name__ == "__main__":
    die_with_parent()
    main()
