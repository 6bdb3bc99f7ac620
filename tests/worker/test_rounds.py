"""A look is taken again and again, whatever it meets, until the end."""

import threading

import pytest

from outcrop.worker.rounds import Rounds

PATIENCE_S = 10.0


def test_it_looks_at_once_again_and_again_and_ends_in_its_own_thread() -> None:
    closing, looked, ended = threading.Event(), threading.Semaphore(0), []
    rounds = Rounds(looked.release, 0.01, closing, lambda: ended.append(threading.current_thread().name))
    rounds.start()
    for _ in range(3):
        assert looked.acquire(timeout=PATIENCE_S)
    closing.set()
    rounds.join()
    assert ended == ["release"]


def test_a_look_that_fails_is_logged_and_taken_again_later(caplog: pytest.LogCaptureFixture) -> None:
    closing, looks = threading.Event(), []

    def look() -> None:
        looks.append(1)
        if len(looks) == 1:
            raise OSError("a passing fault")
        closing.set()

    rounds = Rounds(look, 0.01, closing)
    rounds.start()
    rounds.join()
    assert len(looks) == 2
    assert "look failed; it is tried again" in caplog.text and "a passing fault" in caplog.text


def test_an_end_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    closing = threading.Event()
    closing.set()

    def fail() -> None:
        raise OSError("no end")

    rounds = Rounds(lambda: None, 0.01, closing, fail)
    rounds.start()
    rounds.join()
    assert "no end" in caplog.text
