"""Whoever calls a model finds room beside batch jobs."""

import threading
from pathlib import Path

from living import await_that
from outcrop.services.runtime.engine import answer_to
from outcrop.services.runtime.served import BASE
from outcrop.worker.batch.share import AT_ONCE, BESIDE_CALLERS, LOOK_EVERY_S, Share


def test_a_caller_with_an_open_answer_leaves_batch_jobs_one_place(pebble_engine: Path) -> None:
    share, seen = Share(), threading.Event()
    await_that(lambda: share.places(pebble_engine) == AT_ONCE, 20, "nobody of a test before", every_s=LOOK_EVERY_S)

    def call() -> None:
        """One answer after the other, as long as nobody has seen it."""
        while not seen.is_set():
            answer_to(pebble_engine, BASE, {"prompt": "One, two, three, ", "max_tokens": 200})

    caller = threading.Thread(target=call)
    caller.start()
    try:
        await_that(lambda: share.places(pebble_engine) == BESIDE_CALLERS, 20, "a caller seen", every_s=LOOK_EVERY_S)
    finally:
        seen.set()
        caller.join()
    await_that(lambda: share.places(pebble_engine) == AT_ONCE, 20, "the caller gone", every_s=LOOK_EVERY_S)


def test_all_batch_jobs_together_have_one_share(tmp_path: Path) -> None:
    share, socket = Share(), tmp_path / "nobody.sock"
    assert share.places(socket) == AT_ONCE
    with share.asking(socket):
        assert share.has_room(socket, 2)
        with share.asking(socket):
            assert not share.has_room(socket, 2)
    assert share.has_room(socket, 1)
