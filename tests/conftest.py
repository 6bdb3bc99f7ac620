"""Fixtures that every room's tests may use."""

import signal

import pytest

from counts import Counts

# Under nohup a hang-up is ignored, by every process that is started from here too: then none could be ended by one.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def counts() -> Counts:
    return Counts()
