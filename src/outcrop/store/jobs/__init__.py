"""Customization jobs: one row holds all there is to know, lease included.

Callers queue, find and stop them; a worker claims and settles them, and every write of its names its fencing number.
"""

from outcrop.store.jobs.ending import FAILURE_MESSAGE_LIMIT, Outcome
from outcrop.store.jobs.lease import (
    ClaimedJob,
    beat,
    begin_again,
    claim,
    note,
    release,
    release_owner,
    set_data_key,
    set_estimate,
    set_phase,
    settle,
)
from outcrop.store.jobs.queue import (
    LISTING,
    add,
    by_id,
    count_unfinished,
    find,
    making_model_named,
    names_continuing,
    request_stop,
)
from outcrop.store.jobs.row import JOBS, NO_PHASES, UNFINISHED, Job, Phases
from outcrop.store.leases import LeaseLost

__all__ = [
    "FAILURE_MESSAGE_LIMIT",
    "JOBS",
    "LISTING",
    "NO_PHASES",
    "UNFINISHED",
    "ClaimedJob",
    "Job",
    "LeaseLost",
    "Outcome",
    "Phases",
    "add",
    "beat",
    "begin_again",
    "by_id",
    "claim",
    "count_unfinished",
    "find",
    "making_model_named",
    "names_continuing",
    "note",
    "release",
    "release_owner",
    "request_stop",
    "set_data_key",
    "set_estimate",
    "set_phase",
    "settle",
]
