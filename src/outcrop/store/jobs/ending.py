"""How jobs end, and how their phases move. Pure: a job and the time in, the columns to write out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outcrop.domain.states import JobStatus, Phase, PhaseStatus
from outcrop.store.jobs.row import Job, Phases

FAILURE_MESSAGE_LIMIT = 2048  # the API's own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a job ends. `checkpoint` (the base checkpoint's folder) and its digest belong to a Completed one."""

    status: JobStatus
    failure_message: str | None = None
    training_loss: float | None = None
    validation_losses: tuple[float, ...] = ()
    checkpoint: str = ""
    checkpoint_digest: str | None = None


def ending(job: Job, outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The columns of a job that ends now."""
    message = outcome.failure_message
    return {
        "status": outcome.status.value,
        "phases": swept(job.phases, PhaseStatus(outcome.status.value), now),
        "failure_message": None if message is None else message[:FAILURE_MESSAGE_LIMIT],
        "ended_at": now,
        "modified_at": now,
        "lease_until": None,
        "training_loss": outcome.training_loss,
        "validation_losses": list(outcome.validation_losses),
    }


def moved(phases: Phases, phase: Phase, status: PhaseStatus, now: datetime) -> Phases:
    """A phase under way or ended; its creation time is when it first left NotStarted."""
    was = phases[phase.value]
    is_now = {"status": status.value, "creationTime": was.get("creationTime", now.timestamp())}
    return {**phases, phase.value: {**is_now, "lastModifiedTime": now.timestamp()}}


def swept(phases: Phases, to: PhaseStatus, now: datetime) -> Phases:
    """Move every phase that is under way; what has ended or not begun keeps its true state."""
    under_way = (PhaseStatus.IN_PROGRESS, PhaseStatus.STOPPING)
    for phase in Phase:
        if phases[phase.value]["status"] in under_way:
            phases = moved(phases, phase, to, now)
    return phases
