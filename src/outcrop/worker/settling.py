"""How an attempt ends: what is raised becomes an outcome, and the outcome is written down. Knows no phase.

The model is put in its place in the very transaction that says Completed.
"""

import itertools
import logging
import shutil
import threading
from collections.abc import Callable

from sqlalchemy.exc import IntegrityError, OperationalError

from outcrop.domain.states import JobStatus
from outcrop.sealed.writer import sync_folder
from outcrop.store import jobs
from outcrop.store.jobs import LeaseLost, Outcome
from outcrop.worker import failures
from outcrop.worker.attempt import Attempt
from outcrop.worker.lease import Closing, Lost, StopRequested

SETTLE_PAUSE_S = 1.0
PUBLISH_TRIES = 60  # a disk that stays full this many pauses long is not about to be mended
LOG = logging.getLogger(__name__)


def outcome_of(work: Callable[[Attempt], Outcome], attempt: Attempt) -> Outcome:
    """How `work` ends, whatever happens in it. Raises only what says that the job is no longer this worker's."""
    try:
        return work(attempt)
    except (Lost, LeaseLost, Closing):
        raise
    except StopRequested:
        return Outcome(status=JobStatus.STOPPED)
    except Exception as error:
        return _failed(failures.told(error, attempt.job.id))


def settle(attempt: Attempt, outcome: Outcome, closing: threading.Event) -> None:
    """Write the end down, as often as it takes: a full disk or a locked database must not cost the job its result."""
    ground, job_id = attempt.ground, attempt.job.id
    for tries in itertools.count(1):
        try:
            jobs.settle(ground.database, attempt.claimed, outcome, ground.clock(), lambda: _publish(attempt))
            break
        except IntegrityError:
            LOG.error("job %s: its model's name was taken while it ran", job_id)
            outcome = _failed("The custom model's name was taken while the job ran.")
        except (OperationalError, OSError) as error:
            if tries == 1:
                LOG.exception("the end of job %s (%s) cannot be written yet", job_id, outcome.status)
            if isinstance(error, OSError) and tries >= PUBLISH_TRIES:
                outcome = _failed(failures.about_files(error))
            if closing.wait(SETTLE_PAUSE_S):
                raise Closing from None
    LOG.info("job %s ended: %s", job_id, outcome.status)
    shutil.rmtree(ground.work_folder(job_id), ignore_errors=True)
    if outcome.status is not JobStatus.COMPLETED:  # an earlier attempt may have been killed while it published
        shutil.rmtree(ground.model_folder(job_id), ignore_errors=True)
    if outcome.status is not JobStatus.FAILED:
        attempt.log.unlink(missing_ok=True)


def _publish(attempt: Attempt) -> None:
    """The sealed model moves to its place, whole and on disk. It may be there already: a commit can fail."""
    made, place = attempt.folder / "out", attempt.ground.model_folder(attempt.job.id)
    if made.exists():
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made.rename(place)
    sync_folder(place.parent)


def _failed(sentence: str) -> Outcome:
    return Outcome(status=JobStatus.FAILED, failure_message=sentence)
