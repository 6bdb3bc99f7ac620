"""What a machine can do, as numbers somebody measured: what estimates are held against. Measures nothing itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Precision = Literal["float32", "bfloat16"]
# How much the newest job counts: three or four jobs carry a change of the machine, one odd job does not.
NEWEST_SHARE = 0.4
# A job may have been disturbed or slept: one grade moves the expectation by this factor at most.
FARTHEST_GRADE = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as it is now.

    `memory_bytes` is free for a job now, `most_bytes` could be if nothing else ran; where there is a card (`card`) both
    are all of its memory, since what is free there is not known. `multiply_flops`: floating-point operations a second
    in large matrix products, by precision. `copy_bytes_s`: bytes a second written by an elementwise pass. `start_s`:
    from a process's start until torch is loaded. `process_bytes`: what a process holds that has loaded the engine and
    computed something, 0 where nobody knows. `grades`: what jobs took, relative to what was expected, by kind of job.
    """

    memory_bytes: int
    most_bytes: int
    card: str | None = None
    multiply_flops: Mapping[str, float] = field(default_factory=dict)
    copy_bytes_s: float = 0.0
    start_s: float = 0.0
    process_bytes: int = 0
    grades: Mapping[str, float] = field(default_factory=dict)


def graded(before: float | None, ratio: float) -> float:
    """The expectation after one more job took `ratio` times the plain estimate: an exponential average of ratios."""
    newest = min(max(ratio, 1 / FARTHEST_GRADE), FARTHEST_GRADE)
    if before is None:
        return newest
    return math.exp((1 - NEWEST_SHARE) * math.log(before) + NEWEST_SHARE * math.log(newest))
