"""A lease that is lost, or a stop that is asked for, reaches the phases."""

import threading
import time

import pytest

from outcrop.worker.lease import Closing, Lease, Lost, StopRequested

LEASE_S = 0.04
PASSING_S = 2.0  # a fault within it is not the end: longer than any machine keeps a thread waiting
PATIENCE_S = 60.0


class Gone(Exception):
    """What the store raises when another worker has the job."""


def _checked_until(lease: Lease, kind: type[Exception]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        try:
            lease.check()
        except kind:
            return
        threading.Event().wait(0.005)
    pytest.fail(f"no {kind.__name__} within {PATIENCE_S} s")


def test_a_requested_stop_is_heard() -> None:
    with Lease(lambda: True, LEASE_S, Gone, threading.Event()) as lease:
        _checked_until(lease, StopRequested)


def test_a_lost_lease_is_heard() -> None:
    def beat() -> bool:
        raise Gone

    with Lease(beat, LEASE_S, Gone, threading.Event()) as lease:
        _checked_until(lease, Lost)


def test_a_database_that_stays_locked_loses_the_lease() -> None:
    def beat() -> bool:
        raise OSError("database is locked")

    with Lease(beat, LEASE_S, Gone, threading.Event()) as lease:
        _checked_until(lease, Lost)


def test_a_passing_fault_loses_nothing() -> None:
    beats = []

    def beat() -> bool:
        beats.append(1)
        if len(beats) == 1:
            raise OSError("database is locked")
        return len(beats) > 3

    with Lease(beat, PASSING_S, Gone, threading.Event()) as lease:
        _checked_until(lease, StopRequested)
    assert len(beats) > 3


def test_a_closing_worker_is_heard() -> None:
    closing = threading.Event()
    with Lease(lambda: False, LEASE_S, Gone, closing) as lease:
        lease.check()
        closing.set()
        with pytest.raises(Closing):
            lease.check()
