"""Batch inference jobs: one row holds all there is to know, lease included.

Callers queue, find and stop them; a worker claims and settles them, and every write of its names its fencing number.
"""

from outcrop.store.invocation_jobs.lease import (
    Advance,
    ClaimedInvocationJob,
    advance,
    beat,
    claim,
    expire_waiting,
    move,
    release,
    release_owner,
    set_data_key,
    set_inputs,
    settle,
)
from outcrop.store.invocation_jobs.queue import (
    LISTING,
    add,
    count_unfinished,
    find,
    is_name_taken,
    names_asking,
    request_stop,
)
from outcrop.store.invocation_jobs.row import FINISHED, INVOCATION_JOBS, UNFINISHED, InvocationJob, from_row

__all__ = [
    "FINISHED",
    "INVOCATION_JOBS",
    "LISTING",
    "UNFINISHED",
    "Advance",
    "ClaimedInvocationJob",
    "InvocationJob",
    "add",
    "advance",
    "beat",
    "claim",
    "count_unfinished",
    "expire_waiting",
    "find",
    "from_row",
    "is_name_taken",
    "move",
    "names_asking",
    "release",
    "release_owner",
    "request_stop",
    "set_data_key",
    "set_inputs",
    "settle",
]
