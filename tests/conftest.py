"""Fixtures that every room's tests may use."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from counts import Counts

# Under nohup a hang-up is ignored, and in a shell's background Ctrl-C is, by every process that is started from here
# too: then none could be ended by one.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# Both bounds are in seconds of the wall clock, which say how busy the machine is and nothing of what is tested.
settings.register_profile("beside other work", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside other work")


@pytest.fixture(scope="session")
def counts() -> Counts:
    return Counts()
