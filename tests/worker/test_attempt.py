"""What one worker may do with one job, for as long as the job is its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from living import await_that
from outcrop.domain.states import Phase
from outcrop.store import jobs
from outcrop.store.jobs import ClaimedJob, LeaseLost
from outcrop.worker.attempt import Attempt
from outcrop.worker.lease import Lease, Lost, StopRequested

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(60)]

LONG_S, SHORT_S = 60.0, 0.04  # a lease that no test outlives, and one that beats at once
WITHIN_S = 30.0


@contextmanager
def attempt_at(scene: Any, claimed: ClaimedJob, lease_s: float = LONG_S) -> Iterator[Attempt]:
    ground = scene.ground
    with Lease(
        lambda: jobs.beat(ground.database, claimed, ground.clock(), LONG_S), lease_s, LeaseLost, scene.closing
    ) as lease:
        yield Attempt(ground, claimed, lease)


def heard(attempt: Attempt, kind: type[Exception]) -> bool:
    try:
        attempt.lease.check()
    except kind:
        return True
    return False


def status_of(scene: Any, name: str) -> str:
    status: str = scene.job(name).phases[Phase.VALIDATION]["status"]
    return status


def test_attempts_share_the_jobs_folder_and_each_has_one_of_its_own(scene: Any) -> None:
    job = scene.queue("twice")
    with attempt_at(scene, scene.claim()) as first:
        jobs.release(scene.ground.database, first.claimed)
    with attempt_at(scene, scene.claim()) as second:
        assert first.work_folder == second.work_folder == scene.ground.work_folder(job.id)
        assert first.prepared_folder() == second.prepared_folder() == first.work_folder / "prepared"
        assert first.log == second.log
        assert first.folder != second.folder
        assert {first.folder.parent, second.folder.parent} == {first.work_folder}
        assert second.prepared_folder().stat().st_mode & 0o777 == 0o700


def test_an_attempt_reads_the_data_key_that_the_one_before_it_made(scene: Any) -> None:
    scene.queue("keyed")
    with attempt_at(scene, scene.claim()) as first:
        key = first.data_key()
        jobs.release(scene.ground.database, first.claimed)
    with attempt_at(scene, scene.claim()) as second:
        assert second.job.data_key is not None and second.data_key() == key


def test_a_phase_is_in_progress_meanwhile_and_completed_after(scene: Any) -> None:
    scene.queue("phased")
    with attempt_at(scene, scene.claim()) as attempt:
        with attempt.phase(Phase.VALIDATION):
            assert status_of(scene, "phased") == "InProgress"
        assert status_of(scene, "phased") == "Completed"


def test_a_phase_in_which_something_is_raised_is_not_completed(scene: Any) -> None:
    scene.queue("broken")
    with attempt_at(scene, scene.claim()) as attempt, pytest.raises(ZeroDivisionError), attempt.phase(Phase.VALIDATION):
        raise ZeroDivisionError
    assert status_of(scene, "broken") == "InProgress"


def test_a_stop_that_was_asked_for_in_a_phase_is_heard_at_its_end(scene: Any) -> None:
    scene.queue("stopped")
    with (
        attempt_at(scene, scene.claim(), SHORT_S) as attempt,
        pytest.raises(StopRequested),
        attempt.phase(Phase.VALIDATION),
    ):
        scene.ask("bedrock", "StopModelCustomizationJob", jobIdentifier="stopped")
        await_that(lambda: heard(attempt, StopRequested), WITHIN_S, "the stop")
    assert status_of(scene, "stopped") == "Stopping"


def test_whoever_lost_the_job_begins_no_phase_and_writes_nothing(scene: Any) -> None:
    scene.queue("lost")
    with attempt_at(scene, scene.claim(), SHORT_S) as attempt:
        jobs.release_owner(scene.ground.database, scene.ground.owner)
        before = scene.job("lost")
        for write in (lambda: attempt.note({"event": "x"}), attempt.data_key):
            with pytest.raises(LeaseLost):
                write()
        await_that(lambda: heard(attempt, Lost), WITHIN_S, "the loss")
        with pytest.raises(Lost), attempt.phase(Phase.VALIDATION):
            pytest.fail("the phase began")
        assert scene.job("lost") == before


def test_the_history_tells_which_attempt_and_when_the_oldest_first(scene: Any) -> None:
    scene.queue("told")
    with attempt_at(scene, scene.claim()) as first:
        first.note({"event": "one"})
        jobs.release(scene.ground.database, first.claimed)
    with attempt_at(scene, scene.claim()) as second:
        second.note({"event": "two", "step": 3})
    history = scene.job("told").history
    assert [(entry["event"], entry["attempt"]) for entry in history] == [("one", 1), ("two", 2)]
    assert history[1]["step"] == 3 and history[0]["at"] <= history[1]["at"]
    assert json.loads(json.dumps(history)) == history
