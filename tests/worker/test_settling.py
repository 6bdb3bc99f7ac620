"""However an attempt ends, the row says it once and truly, and no file stays that nobody needs."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from living import await_that
from outcrop.domain.errors import Fault, JobFailure
from outcrop.domain.states import JobStatus
from outcrop.families.catalogue import PEBBLE
from outcrop.store import jobs, models
from outcrop.store.jobs import LeaseLost, Outcome
from outcrop.worker.attempt import Attempt
from outcrop.worker.lease import Closing, Lease, Lost, StopRequested
from outcrop.worker.settling import outcome_of, settle

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(60)]

COMPLETED = Outcome(status=JobStatus.COMPLETED, training_loss=0.5, checkpoint=str(PEBBLE), checkpoint_digest="ab" * 32)
FAILED = Outcome(status=JobStatus.FAILED, failure_message="It could not be.")
STOPPED = Outcome(status=JobStatus.STOPPED)


@pytest.fixture
def attempt(scene: Any) -> Iterator[Attempt]:
    """One that has made a sealed model, and has talked."""
    scene.queue("settled")
    claimed, ground = scene.claim(), scene.ground
    with Lease(
        lambda: jobs.beat(ground.database, claimed, ground.clock(), 60.0), 60.0, LeaseLost, scene.closing
    ) as lease:
        made = Attempt(ground, claimed, lease)
        (made.folder / "out").mkdir(parents=True)
        (made.folder / "out" / "adapter_model.safetensors").write_bytes(b"sealed")
        made.log.parent.mkdir(parents=True, exist_ok=True)
        made.log.write_text("talk")
        yield made


def place_of(attempt: Attempt) -> Path:
    return attempt.ground.model_folder(attempt.job.id)


def model_of(scene: Any) -> models.CustomModel | None:
    with scene.ground.database.read() as connection:
        return models.find(connection, scene.region, scene.server.account, "settled")


# --- what is raised becomes an outcome --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (StopRequested(), STOPPED),
        (JobFailure("Too few rows."), Outcome(status=JobStatus.FAILED, failure_message="Too few rows.")),
        (Fault("AccessDenied", "No."), Outcome(status=JobStatus.FAILED, failure_message="AccessDenied: No.")),
    ],
    ids=["a stop", "a failure", "a fault"],
)  # fmt: skip
def test_what_ends_the_work_is_the_jobs_outcome(attempt: Attempt, raised: Exception, outcome: Outcome) -> None:
    def work(_: Attempt) -> Outcome:
        raise raised

    assert outcome_of(work, attempt) == outcome


def test_an_error_of_ours_fails_the_job_and_never_the_worker(attempt: Attempt) -> None:
    ended = outcome_of(lambda _: 1 / 0, attempt)  # type: ignore[arg-type, return-value]  # that is the point
    assert ended.status is JobStatus.FAILED and "ZeroDivisionError" in (ended.failure_message or "")


@pytest.mark.parametrize("kind", [Lost, LeaseLost, Closing])
def test_a_job_that_is_no_more_this_workers_has_no_outcome(attempt: Attempt, kind: type[Exception]) -> None:
    def work(_: Attempt) -> Outcome:
        raise kind

    with pytest.raises(kind):
        outcome_of(work, attempt)


# --- the outcome is written down --------------------------------------------------------------------------------------


def test_a_completed_jobs_model_is_in_its_place_with_all_that_is_known_of_it(scene: Any, attempt: Attempt) -> None:
    settle(attempt, COMPLETED, scene.closing)
    job, model = scene.job("settled"), model_of(scene)
    assert (job.status, job.training_loss, job.lease_until) == (JobStatus.COMPLETED, 0.5, None)
    assert model is not None
    assert (model.job_id, model.checkpoint, model.checkpoint_digest) == (job.id, str(PEBBLE), "ab" * 32)
    assert (place_of(attempt) / "adapter_model.safetensors").read_bytes() == b"sealed"
    assert not attempt.work_folder.exists() and not attempt.log.exists()


def test_a_model_that_was_in_its_place_when_the_commit_failed_stays_there(scene: Any, attempt: Attempt) -> None:
    place_of(attempt).parent.mkdir(parents=True, exist_ok=True)
    (attempt.folder / "out").rename(place_of(attempt))
    settle(attempt, COMPLETED, scene.closing)
    assert model_of(scene) is not None and (place_of(attempt) / "adapter_model.safetensors").exists()


def test_what_an_earlier_attempt_left_in_the_models_place_is_not_mixed_with_the_model(
    scene: Any, attempt: Attempt
) -> None:
    place_of(attempt).mkdir(parents=True)
    (place_of(attempt) / "stale").touch()
    settle(attempt, COMPLETED, scene.closing)
    assert [file.name for file in place_of(attempt).iterdir()] == ["adapter_model.safetensors"]


@pytest.mark.parametrize(("outcome", "log_stays"), [(FAILED, True), (STOPPED, False)], ids=["failed", "stopped"])
def test_a_job_without_a_model_leaves_none_and_only_a_failed_one_its_log(
    scene: Any, attempt: Attempt, outcome: Outcome, log_stays: bool
) -> None:
    place_of(attempt).mkdir(parents=True)
    if outcome is STOPPED:
        scene.ask("bedrock", "StopModelCustomizationJob", jobIdentifier="settled")
    settle(attempt, outcome, scene.closing)
    job = scene.job("settled")
    assert (job.status, job.failure_message) == (outcome.status, outcome.failure_message)
    assert model_of(scene) is None
    assert not place_of(attempt).exists() and not attempt.work_folder.exists()
    assert attempt.log.exists() is log_stays


def test_a_worker_that_lost_the_job_moves_no_file(scene: Any, attempt: Attempt) -> None:
    jobs.release_owner(scene.ground.database, scene.ground.owner)
    with pytest.raises(LeaseLost):
        settle(attempt, COMPLETED, scene.closing)
    assert not place_of(attempt).exists() and (attempt.folder / "out").exists()
    assert scene.job("settled").status is JobStatus.IN_PROGRESS


def test_a_model_that_cannot_be_put_in_its_place_yet_leaves_the_job_as_it_was(
    scene: Any, attempt: Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    """A file lies where models should. The worker closes, and the next one has all that it needs."""
    models_folder = scene.ground.settings.models_folder
    assert not models_folder.exists()
    models_folder.touch()
    closing = threading.Event()
    with pytest.raises(Closing):
        closing.set()
        settle(attempt, COMPLETED, closing)
    assert "cannot be written yet" in caplog.text
    assert scene.job("settled").status is JobStatus.IN_PROGRESS and model_of(scene) is None
    assert (attempt.folder / "out").exists()
    models_folder.unlink()
    settle(attempt, COMPLETED, threading.Event())
    assert model_of(scene) is not None and place_of(attempt).is_dir()


def test_the_end_is_tried_again_until_it_is_written(scene: Any, attempt: Attempt, caplog: Any) -> None:
    models_folder = scene.ground.settings.models_folder
    models_folder.touch()
    settling = threading.Thread(target=settle, args=(attempt, COMPLETED, threading.Event()))
    settling.start()
    await_that(lambda: "cannot be written yet" in caplog.text, 20, "a settle that fails")
    models_folder.unlink()
    settling.join()
    assert scene.job("settled").status is JobStatus.COMPLETED and place_of(attempt).is_dir()
