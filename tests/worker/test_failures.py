"""Whoever owns a failed job reads what is theirs to mend, and nothing of our inside."""

import errno
import logging

import pytest
from sqlalchemy.exc import OperationalError

from outcrop.domain.errors import CheckpointError, Fault, JobFailure
from outcrop.worker.failures import told

SECRET = "/home/of/somebody/secret"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (JobFailure("The rows are too few."), "The rows are too few."),
        (CheckpointError("config.json is missing."), "config.json is missing."),
        (Fault("AccessDenied", "The role may not."), "AccessDenied: The role may not."),
    ],
)
def test_what_is_the_owners_to_mend_is_said_as_it_is_and_no_alarm(
    error: Exception, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(error, "job1") == sentence
    assert not caplog.records


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "Disk full", SECRET), "The job could not use its files: Disk full."),
        (OSError(SECRET), "The job could not use its files: OSError."),
        (
            OperationalError("insert into jobs", {"row": SECRET}, Exception("database is locked")),
            "The job's state could not be written: database is locked.",
        ),
        (
            ZeroDivisionError(SECRET),
            "An internal error (ZeroDivisionError) ended the job; the worker's log tells more.",
        ),
    ],
)  # fmt: skip
def test_what_is_ours_is_only_named_and_logged_whole(
    error: Exception, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert told(error, "job1") == sentence
    (record,) = caplog.records
    assert record.levelno == logging.ERROR and record.getMessage() == "job job1"
    assert record.exc_info is not None and record.exc_info[1] is error
