"""How a batch job ends: what is raised becomes an ending, and the ending is written down. Knows no phase."""

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError

from outcrop.domain.states import InvocationJobStatus
from outcrop.store import invocation_jobs
from outcrop.store.jobs import LeaseLost
from outcrop.worker import failures
from outcrop.worker.batch.asking import Tally
from outcrop.worker.batch.attempt import Attempt, TimeUp
from outcrop.worker.lease import Closing, Lost, StopRequested

SETTLE_PAUSE_S = 1.0
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job ends."""

    status: InvocationJobStatus
    message: str | None = None


def ending_of(work: Callable[[Attempt], Ending], attempt: Attempt) -> Ending:
    """How `work` ends, whatever happens in it. Raises only what says that the job is no longer this worker's."""
    try:
        return work(attempt)
    except (Lost, LeaseLost, Closing):
        raise
    except StopRequested:
        return Ending(status=InvocationJobStatus.STOPPED)
    except TimeUp:
        at = attempt.job.expires_at.isoformat(timespec="seconds")
        return Ending(status=InvocationJobStatus.EXPIRED, message=f"The job's time ran out at {at}.")
    except Exception as error:
        return _failed(failures.told(error, attempt.job.id))


def answered(tally: Tally) -> Ending:
    """The ending of a job whose every record was asked."""
    if not tally.errors:
        return Ending(status=InvocationJobStatus.COMPLETED)
    sentence = f"{tally.errors} of {tally.records} records could not be answered; their lines in the output say why."
    return _partly(sentence) if tally.success else _failed(sentence)


def ran_out_of_time(tally: Tally, total: int) -> Ending:
    """The ending of a job that has answers, but not all, when its time is over."""
    return _partly(f"{total - tally.records} of {total} records were not reached before the job's time ran out.")


def settle(attempt: Attempt, ending: Ending, closing: threading.Event) -> None:
    """Write the end down, as often as it takes: a locked database must not cost the job its result."""
    ground, job_id = attempt.ground, attempt.job.id
    while True:
        try:
            invocation_jobs.settle(ground.database, attempt.claimed, ending.status, ending.message, ground.clock())
            break
        except OperationalError:
            LOG.exception("the end of job %s (%s) cannot be written yet", job_id, ending.status)
            if closing.wait(SETTLE_PAUSE_S):
                raise Closing from None
    LOG.info("job %s ended: %s", job_id, ending.status)
    shutil.rmtree(ground.work_folder(job_id), ignore_errors=True)


def _failed(sentence: str) -> Ending:
    return Ending(status=InvocationJobStatus.FAILED, message=sentence)


def _partly(sentence: str) -> Ending:
    return Ending(status=InvocationJobStatus.PARTIALLY_COMPLETED, message=sentence)
