"""The states that things pass through, and the legal moves between them. Knows nothing of who moves them."""

from enum import StrEnum


class JobStatus(StrEnum):
    """A customization job's status, as the API spells it. `Stopping` still runs."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


JOB_MOVES: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.IN_PROGRESS: frozenset({JobStatus.STOPPING, JobStatus.COMPLETED, JobStatus.FAILED}),
    JobStatus.STOPPING: frozenset({JobStatus.STOPPED, JobStatus.COMPLETED, JobStatus.FAILED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.STOPPED: frozenset(),
}


class Phase(StrEnum):
    """A job's three phases, by their member names in `statusDetails`."""

    VALIDATION = "validationDetails"
    DATA_PROCESSING = "dataProcessingDetails"
    TRAINING = "trainingDetails"


class PhaseStatus(StrEnum):
    """The status of one phase."""

    NOT_STARTED = "NotStarted"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"


class ModelStatus(StrEnum):
    """A custom model's status."""

    CREATING = "Creating"
    ACTIVE = "Active"
    FAILED = "Failed"


class ThroughputStatus(StrEnum):
    """A provisioned model's status."""

    CREATING = "Creating"
    IN_SERVICE = "InService"
    UPDATING = "Updating"
    FAILED = "Failed"


class DeploymentStatus(StrEnum):
    """An on-demand deployment's status."""

    CREATING = "Creating"
    ACTIVE = "Active"
    FAILED = "Failed"


class InvocationJobStatus(StrEnum):
    """A batch inference job's status, as the API spells it. `Stopping` still runs."""

    SUBMITTED = "Submitted"
    VALIDATING = "Validating"
    SCHEDULED = "Scheduled"
    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    PARTIALLY_COMPLETED = "PartiallyCompleted"
    FAILED = "Failed"
    STOPPED = "Stopped"
    EXPIRED = "Expired"


_WAYS_TO_END = frozenset(
    {
        InvocationJobStatus.COMPLETED,
        InvocationJobStatus.PARTIALLY_COMPLETED,
        InvocationJobStatus.FAILED,
        InvocationJobStatus.EXPIRED,
    }
)
_UNSTOPPED = _WAYS_TO_END | {
    InvocationJobStatus.VALIDATING,
    InvocationJobStatus.SCHEDULED,
    InvocationJobStatus.IN_PROGRESS,
    InvocationJobStatus.STOPPING,
}
INVOCATION_JOB_MOVES: dict[InvocationJobStatus, frozenset[InvocationJobStatus]] = {
    # Whoever takes a job over goes back to where that attempt begins.
    InvocationJobStatus.SUBMITTED: _UNSTOPPED,
    InvocationJobStatus.VALIDATING: _UNSTOPPED,
    InvocationJobStatus.SCHEDULED: _UNSTOPPED,
    InvocationJobStatus.IN_PROGRESS: _UNSTOPPED,
    InvocationJobStatus.STOPPING: _WAYS_TO_END | {InvocationJobStatus.STOPPED},
    InvocationJobStatus.COMPLETED: frozenset(),
    InvocationJobStatus.PARTIALLY_COMPLETED: frozenset(),
    InvocationJobStatus.FAILED: frozenset(),
    InvocationJobStatus.STOPPED: frozenset(),
    InvocationJobStatus.EXPIRED: frozenset(),
}


def may_move(now: JobStatus, to: JobStatus) -> bool:
    """Whether a job may go from one status to another."""
    return to in JOB_MOVES[now]


def invocation_job_may_move(now: InvocationJobStatus, to: InvocationJobStatus) -> bool:
    """Whether a batch inference job may go from one status to another."""
    return to in INVOCATION_JOB_MOVES[now]
