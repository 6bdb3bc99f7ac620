"""Fixtures that every room's tests may use."""

import signal

import pytest

from counts import Counts

# Under nohup a hang-up is ignored, and in a shell's background Ctrl-C is, by every process that is started from here
# too: then none could be ended by one.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def counts() -> Counts:
    return Counts()
