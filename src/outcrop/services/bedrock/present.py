"""What the answers of several operations share in shape. Knows nothing of where values come from."""

from typing import Any

from outcrop.store.jobs import Job


def present(members: dict[str, Any]) -> dict[str, Any]:
    """Only the members that have a value: an absent one is left out of an answer, never null."""
    return {name: value for name, value in members.items() if value is not None}


def metrics(job: Job) -> dict[str, Any]:
    """The losses that were computed; a member whose loss was not is absent."""
    losses = [{"validationLoss": loss} for loss in job.validation_losses]
    return {
        "trainingMetrics": None if job.training_loss is None else {"trainingLoss": job.training_loss},
        "validationMetrics": losses or None,
    }
