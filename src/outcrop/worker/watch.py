"""The training child of an attempt, watched: its events become metrics, history and log.

Knows nothing of how the child is fed or read (`launch`), nor of what becomes of the model.
"""

import contextlib
import logging
from functools import partial

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Event, Finished, Started
from outcrop.domain.plan import TrainingPlan
from outcrop.worker import data, foresight, launch, planning, succession
from outcrop.worker.attempt import Attempt
from outcrop.worker.lease import StopRequested
from outcrop.worker.metrics import MetricsFiles
from outcrop.worker.standing import standing_of_jobs

LOG = logging.getLogger(__name__)


def train(attempt: Attempt, plan: TrainingPlan, key: bytes) -> tuple[Finished, MetricsFiles]:
    """Runs the plan to its end: the child's last word, and the files that tell of it. Raises JobFailure."""
    training = launch.Training(
        plan=plan,
        folder=succession.attempt_folder(attempt.work_folder, attempt.claimed.fence),
        log=attempt.log,
        checkpoints=succession.checkpoints_folder(attempt.work_folder, attempt.claimed.fence),
        keys=[key, *planning.parent_key(attempt.ground, attempt.job)],
    )
    access, output = data.access_of(attempt.ground, attempt.job), data.output_of(attempt.job)
    expected = foresight.expected_of(attempt)
    metrics = MetricsFiles(access, output, attempt.ground.clock, expected.get("seconds"))
    finished = _listen(attempt, training, metrics)
    metrics.write()
    metrics.draw()
    if expected:
        foresight.compare(attempt, expected, finished, metrics.progress.trained_tokens)
    return finished, metrics


def _listen(attempt: Attempt, training: launch.Training, metrics: MetricsFiles) -> Finished:
    last: Event | None = None
    records = attempt.ground.settings.processes_folder
    try:
        # Closed at once, whatever is raised in here: the child must be gone before anybody hears of the end.
        standing = partial(standing_of_jobs, attempt.ground)
        with contextlib.closing(launch.train(training, records, attempt.lease.check, standing)) as events:
            for last in events:
                metrics.take(last)
                _heed(attempt, last)
    except (JobFailure, StopRequested):
        with contextlib.suppress(JobFailure):  # the bucket may be what failed
            metrics.write()
            metrics.draw()
        raise
    assert isinstance(last, Finished)
    return last


def _heed(attempt: Attempt, event: Event) -> None:
    """What happened to the training on the way goes into the job's history, and into the log."""
    if isinstance(event, Started):
        LOG.info("job %s: %s", attempt.job.id, event)
    entry = succession.history_entry(event)
    if entry is not None:
        attempt.note(entry)
