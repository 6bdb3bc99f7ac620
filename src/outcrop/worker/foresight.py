"""What a job was expected to take: said before it trains, graded after. Knows nothing of how it trains or ends."""

import json
import logging
from typing import Any

from outcrop.domain.estimate import grade
from outcrop.domain.events import Finished
from outcrop.domain.plan import TrainingPlan
from outcrop.store import jobs
from outcrop.worker import artifacts, data, estimating, machine
from outcrop.worker.attempt import Attempt

LOG = logging.getLogger(__name__)


def with_room(attempt: Attempt, plan: TrainingPlan, rows: data.WrittenRows) -> TrainingPlan:
    """The plan as it fits, and what it takes, said. Raises JobFailure where there can never be room for it."""
    expected = estimating.expect(attempt.ground.settings, plan, estimating.data_of(rows), measuring(attempt))
    if expected is None:
        return plan
    _say(attempt, {"estimated": expected.estimate.to_dict()})
    LOG.info("job %s: %s", attempt.job.id, expected.in_words())
    expected.require_room()
    return expected.question.plan


def measuring(attempt: Attempt) -> machine.Place:
    """Where this machine is measured, if it has to be; a stop is heard meanwhile."""
    return machine.Place(records=attempt.ground.settings.processes_folder, log=attempt.log, check=attempt.lease.check)


def expected_of(attempt: Attempt) -> dict[str, Any]:
    """What this attempt, or one before it, said that the run would take; empty where nothing could be said."""
    with attempt.ground.database.read() as connection:
        job = jobs.by_id(connection, attempt.job.id)
    found: dict[str, Any] = ((job and job.estimate) or {}).get("estimated", {})
    return found


def compare(attempt: Attempt, expected: dict[str, Any], finished: Finished, trained_tokens: int) -> None:
    """Holds what was expected against what the run took, says so, and lets later estimates learn of it."""
    resumed = attempt.job.attempts > 1  # a run that went on from a checkpoint did not take what a whole one takes
    _say(attempt, grade(expected, finished, trained_tokens, resumed=resumed))
    if not resumed:
        estimating.learn(attempt.ground.settings.machine_file, expected, finished)


def _say(attempt: Attempt, said: dict[str, Any]) -> None:
    jobs.set_estimate(attempt.ground.database, attempt.claimed, said)
    place = data.output_of(attempt.job).below(artifacts.ESTIMATE_FILE)
    content = json.dumps(said, indent=1).encode()
    data.access_of(attempt.ground, attempt.job).put(place, content, "application/json")
