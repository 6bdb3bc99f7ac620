"""A worker takes what is free, hands back what it cannot end, and claims nothing from itself."""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from living import await_that
from outcrop.domain.states import JobStatus
from outcrop.store import jobs
from outcrop.worker.loop import Worker

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(60)]


def test_a_worker_takes_over_from_the_one_before_it_and_settles_what_waits(scene: Any) -> None:
    scene.put("train.jsonl", b"")
    scene.queue("left")
    run_folder = scene.ground.settings.run_folder
    run_folder.mkdir(exist_ok=True)
    (run_folder / "worker.owner").write_text("the-dead-one")
    held = jobs.claim(scene.ground.database, "the-dead-one", scene.ground.clock(), 3600, 9)
    assert held is not None
    worker = Worker(scene.ground)
    worker.start()
    try:
        await_that(lambda: scene.job("left").status is JobStatus.FAILED, 20, "the job taken over")
    finally:
        worker.stop()
    assert (run_folder / "worker.owner").read_text() == scene.ground.owner


def test_a_worker_that_stood_still_lets_its_own_jobs_renew_their_leases_first(scene: Any) -> None:
    """A laptop that slept: every lease has run out, and nobody has taken the jobs."""
    now = [scene.ground.clock()]
    worker = Worker(replace(scene.ground, clock=lambda: now[0]))
    scene.queue("mine")
    ended = threading.Event()
    busy = worker._running["mine", 1] = threading.Thread(target=ended.wait)
    busy.start()
    now[0] += timedelta(hours=8)
    worker._claim()
    assert scene.job("mine").attempts == 0
    for _ in range(2):
        now[0] += timedelta(seconds=scene.ground.settings.lease_s)
        slept = worker._has_slept()
    assert not slept
    ended.set()
    busy.join()
