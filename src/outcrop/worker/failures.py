"""What a job's owner is told of what ended it. Knows neither phases nor kinds of jobs.

What is the owner's to mend is said in its own words; what is ours is logged whole, and only named.
"""

import logging

from sqlalchemy.exc import OperationalError

from outcrop.domain.errors import Fault, OutcropError

LOG = logging.getLogger(__name__)


def told(error: Exception, job_id: str) -> str:
    """The sentence of a failed job."""
    match error:
        case Fault():
            return f"{error.code}: {error.message}"
        case OutcropError():
            return str(error)
    LOG.error("job %s", job_id, exc_info=error)
    match error:
        case OSError():
            return about_files(error)
        case OperationalError():
            return f"The job's state could not be written: {error.orig}."
    return f"An internal error ({type(error).__name__}) ended the job; the worker's log tells more."


def about_files(error: OSError) -> str:
    """The sentence of a disk that refuses: the system's words, and no path of ours."""
    return f"The job could not use its files: {error.strerror or type(error).__name__}."
