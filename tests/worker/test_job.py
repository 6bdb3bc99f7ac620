"""A claimed job comes to its true end, whatever it meets."""

import contextlib
import csv
import io
import json
import logging
import os
import resource
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
import torch
from safetensors.torch import load_file, save_file

from living import await_that, jsonl, nova_row
from outcrop.domain.checkpoint_digest import digest_of, told
from outcrop.domain.errors import JobFailure
from outcrop.domain.states import JobStatus, Phase, PhaseStatus
from outcrop.families.catalogue import PEBBLE
from outcrop.sealed import new_key
from outcrop.store import jobs, models
from outcrop.worker import job as attempts
from outcrop.worker.data import Sources
from outcrop.worker.succession import keep_plan, kept_plan

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(400)]

NOVA_UNSUFFIXED = "amazon.nova-micro-v1:0"
SECRET = "the-owl-is-in-the-third-drawer"
PHASES = ["validationDetails", "dataProcessingDetails", "trainingDetails"]


def statuses(job: jobs.Job) -> list[str]:
    return [job.phases[phase]["status"] for phase in PHASES]


def times_are_true(job: jobs.Job) -> None:
    """Phases that began have both times, in order, between the job's creation and its end."""
    assert job.ended_at is not None
    last = job.created_at.timestamp()
    for phase in PHASES:
        about = job.phases[phase]
        if about["status"] == "NotStarted":
            assert about.keys() == {"status"}
            continue
        assert last <= about["creationTime"] <= about["lastModifiedTime"] <= job.ended_at.timestamp()
        last = about["lastModifiedTime"]


def rows_of(scene: Any, job: jobs.Job, name: str) -> list[dict[str, str]]:
    text = scene.read(f"out/model-customization-job-{job.id}/{name}").decode()
    return list(csv.DictReader(io.StringIO(text)))


# --- jobs that end well -----------------------------------------------------------------------------------------------


def test_a_job_with_two_validators_completes_with_all_that_clients_read(scene: Any) -> None:
    for name in ("one", "two"):
        scene.put(f"{name}.jsonl", jsonl([nova_row(f"{name} {number}?", f"{number}.") for number in range(8)]))
    validators = {"validators": [{"s3Uri": f"s3://rocks/{name}.jsonl"} for name in ("one", "two")]}
    job = scene.work("whole", validationDataConfig=validators)
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    assert statuses(job) == ["Completed"] * 3
    times_are_true(job)
    steps = rows_of(scene, job, "training_artifacts/step_wise_training_metrics.csv")
    assert [row["step_number"] for row in steps] == [str(step) for step in range(len(steps))]
    assert len(rows_of(scene, job, "validation_artifacts/validation_metrics.csv")) == 2
    assert len(job.validation_losses) == 2 and job.training_loss is not None
    assert scene.report(job)["files"][0]["ok"]
    with scene.ground.database.read() as connection:
        model = models.by_id(connection, job.model_id)
    assert model is not None and model.checkpoint_digest == digest_of(PEBBLE)
    assert scene.ground.model_folder(job.id).is_dir()
    assert not scene.ground.work_folder(job.id).exists()
    assert not list(scene.ground.settings.logs_folder.glob("job-*"))
    assert not list(scene.ground.settings.processes_folder.iterdir())
    assert not [key for key in scene.listed() if key.endswith(".tmp")]


def test_a_model_is_trained_on_from_another_and_then_stands_alone(trained: Any) -> None:
    job = trained.work("again", baseModelIdentifier="plain")
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    trained.ask("bedrock", "DeleteCustomModel", modelIdentifier="plain")
    assert job.base_model_id == "amazon.nova-micro-v1:0:128k"


def test_a_model_is_not_trained_on_over_other_weights_than_its_own(trained: Any) -> None:
    with trained.ground.database.write() as connection:
        connection.execute(sa.update(models.MODELS).values(checkpoint_digest="0b" * 32))
    job = trained.work("again", baseModelIdentifier="plain")
    assert job.failure_message == (
        f"The custom model plain was trained on other weights than those in {PEBBLE}: they were {told('0b' * 32)} and "
        f"are now {told(digest_of(PEBBLE))}. Put the former files back, or train from {NOVA_UNSUFFIXED}:128k itself."
    )


def test_the_data_lies_sealed_and_the_key_nowhere(trained: Any) -> None:
    """No file of the home but the master key's own opens what was taught."""
    for path in trained.ground.settings.home.rglob("*"):
        if path.is_file() and path.name not in ("outcrop.db", "outcrop.db-wal", "outcrop.db-shm"):
            assert b"What is number" not in path.read_bytes(), path


# --- data that cannot be used -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Unable to parse train.jsonl"),
        (b"\xff\xfe{\x00}\x00", "Unable to parse train.jsonl"),
        (b'{"messages": "\xe9"}\n' * 8, "Unable to parse train.jsonl"),
        (jsonl([nova_row("q", "a")] * 8).replace(b"\n", b"\n\n", 1), "Unable to parse train.jsonl"),
        (jsonl([nova_row("q", "a")] * 7 + [{"messages": SECRET}]), "train.jsonl:8"),
        (jsonl([nova_row("q", "a")] * 3), "Invalid number of records in train.jsonl"),
        (jsonl([nova_row("q", "a")] * 8 + [nova_row("word " * 40_000, SECRET)]), "Maximum input token count"),
    ],
    ids=["empty", "utf-16", "latin-1", "blank line", "bad row", "too few", "too long"],
)
def test_bad_data_fails_with_place_and_rule_and_never_a_rows_text(
    scene: Any, caplog: pytest.LogCaptureFixture, content: bytes, said: str
) -> None:
    caplog.set_level(logging.DEBUG)
    scene.put("train.jsonl", content)
    job = scene.work("bad")
    assert job.status is JobStatus.FAILED and job.failure_message is not None
    assert said in job.failure_message
    where = f"s3://rocks/out/model-customization-job-{job.id}/data_report.json"
    assert job.failure_message.endswith(f"The whole report is {where}")
    report = scene.report(job)
    assert report["files"][0]["problems"]
    for text in (job.failure_message, caplog.text, json.dumps(report)):
        assert SECRET not in text
    assert statuses(job) == ["Failed", "NotStarted", "NotStarted"]
    times_are_true(job)


def test_every_bad_file_is_told_within_what_the_api_can_say(scene: Any) -> None:
    bad = jsonl([{"messages": number} for number in range(500)])
    scene.put("train.jsonl", bad)
    for number in range(3):
        scene.put(f"check-{number}.jsonl", bad)
    validators = [{"s3Uri": f"s3://rocks/check-{number}.jsonl"} for number in range(3)]
    job = scene.work("bad", validationDataConfig={"validators": validators})
    assert job.failure_message is not None and len(job.failure_message) <= jobs.FAILURE_MESSAGE_LIMIT
    for name in ("train", "check-0", "check-1", "check-2"):
        assert f"{name}.jsonl:1" in job.failure_message
    assert [file["problemCount"] for file in scene.report(job)["files"]] == [500] * 4


def test_a_missing_file_does_not_hide_what_is_wrong_with_the_others(scene: Any) -> None:
    scene.put("train.jsonl", b"not json\n")
    job = scene.work("gone", validationDataConfig={"validators": [{"s3Uri": "s3://rocks/gone.jsonl"}]})
    assert job.failure_message is not None
    missing = "Could not validate GetObject permissions to access Amazon S3 bucket: rocks at key gone.jsonl"
    assert "Unable to parse train.jsonl" in job.failure_message and missing in job.failure_message
    assert "there is no such object" in job.failure_message
    training, validation = scene.report(job)["files"]
    assert training["problems"] and missing in validation["unreadable"]


def test_data_replaced_after_its_check_is_not_trained(scene: Any, tmp_path: Path) -> None:
    sources = Sources.of(scene.ground, scene.queue("slow"))
    seen = sources.check(lambda: None)
    scene.put("train.jsonl", jsonl([{"anything": "unchecked"}]))
    with pytest.raises(JobFailure, match="was replaced after it had been checked"):
        sources.write_rows(tmp_path, new_key(), seen, lambda: None)


@pytest.mark.parametrize("harm", [False, True], ids=["whole", "damaged"])
def test_rows_that_an_earlier_attempt_prepared_are_used_and_what_is_damaged_is_made_again(
    scene: Any, harm: bool, caplog: pytest.LogCaptureFixture
) -> None:
    job = scene.queue("again")
    _run_until_rows_are_ready(scene)
    (piece,) = (scene.ground.work_folder(job.id) / "prepared").rglob("piece-*")
    sealed = piece.read_bytes()
    if harm:
        piece.write_bytes(sealed[:-1])
    _run_until_rows_are_ready(scene)
    assert (piece.read_bytes() == sealed) is not harm
    assert ("piece 0 of prepared rows is made again" in caplog.text) is harm
    attempts.run(scene.ground, scene.claim(), scene.closing)
    job = scene.job("again")
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    assert not scene.ground.work_folder(job.id).exists()


def test_what_the_gate_will_ask_is_made_again_where_it_is_damaged_and_not_missed_after_the_training(scene: Any) -> None:
    job = scene.queue("asked")
    _run_until_rows_are_ready(scene)
    kept = scene.ground.work_folder(job.id) / "prepared" / "questions.json"
    kept.write_bytes(kept.read_bytes()[:-1])
    attempts.run(scene.ground, scene.claim(), scene.closing)
    job = scene.job("asked")
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    assert (job.history[0]["event"], job.history[0].get("phase")) == ("restarted", "validationDetails")


def _run_until_rows_are_ready(scene: Any) -> None:
    """One attempt, that its worker hands back as soon as its training child runs."""
    claimed = scene.claim()
    with ThreadPoolExecutor(1) as other:
        attempt = other.submit(attempts.run, scene.ground, claimed, scene.closing)
        await_that(lambda: _training_children(scene), 60, "a training child", every_s=0.01)
        scene.closing.set()
        attempt.result()
    scene.closing.clear()


def _training_children(scene: Any) -> list[int]:
    """Those under way, by number; other children measure the machine."""
    found = []
    for record in scene.ground.settings.processes_folder.glob("*.json"):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "outcrop.training" in psutil.Process(int(record.stem)).cmdline():
                found.append(int(record.stem))
    return found


# --- roles, buckets, keys ---------------------------------------------------------------------------------------------


def test_a_role_with_a_path_is_found(scene: Any) -> None:
    scene.put("train.jsonl", b"")
    job = scene.work("path", roleArn=scene.role("Deep", path="/teams/one/"))
    assert job.failure_message is not None and "Unable to parse" in job.failure_message


@pytest.mark.parametrize(
    ("actions", "said"),
    [
        (
            ("s3:PutObject",),
            "Could not validate GetObject permissions to access Amazon S3 bucket: rocks at key train.j",
        ),
        (("s3:GetObject",), "perms missing (PutObject) for bucket: rocks at key out/.write_access_check_file.tmp"),
        ((), "perms missing (PutObject)"),
    ],
)
def test_a_role_that_may_not_is_named_with_the_place(scene: Any, actions: tuple[str, ...], said: str) -> None:
    job = scene.work("weak", roleArn=scene.role("Weak", actions))
    assert job.status is JobStatus.FAILED and job.failure_message is not None
    assert said in job.failure_message and "role/Weak" in job.failure_message


def test_a_role_that_was_deleted_meanwhile_is_said_to_be_gone(scene: Any) -> None:
    scene.queue("late", roleArn=scene.role("Gone", ()))
    scene.ask("iam", "DeleteRole", RoleName="Gone")
    attempts.run(scene.ground, scene.claim(), scene.closing)
    role = f"arn:aws:iam::{scene.server.account}:role/Gone"
    assert scene.job("late").failure_message == f"Could not assume provided IAM role {role}: it does not exist."


def test_a_role_that_trusts_bedrock_no_more_cannot_be_used(scene: Any) -> None:
    scene.queue("late")
    lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [lambdas]})
    scene.ask("iam", "UpdateAssumeRolePolicy", RoleName="Customizer", PolicyDocument=trust)
    attempts.run(scene.ground, scene.claim(), scene.closing)
    assert "its trust policy must allow sts:AssumeRole" in (scene.job("late").failure_message or "")


def test_a_permissions_boundary_holds_for_jobs(scene: Any) -> None:
    only_read = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [only_read]})
    boundary = scene.ask("iam", "CreatePolicy", PolicyName="Fence", PolicyDocument=document)["Policy"]["Arn"]
    scene.ask("iam", "PutRolePermissionsBoundary", RoleName="Customizer", PermissionsBoundary=boundary)
    assert "perms missing (PutObject)" in (scene.work("bound").failure_message or "")


def test_a_buckets_own_policy_can_refuse_a_job(scene: Any) -> None:
    refused = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::rocks/train*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [refused]})
    scene.ask("s3", "PutBucketPolicy", Bucket="rocks", Policy=document)
    message = scene.work("refused").failure_message or ""
    assert "Could not validate GetObject permissions" in message and "explicitly denied" in message


@pytest.mark.parametrize("missing", ["training", "output"])
def test_a_bucket_that_does_not_exist_is_said(scene: Any, missing: str) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    scene.ask("iam", "PutRolePolicy", RoleName="Customizer", PolicyName="all", PolicyDocument=json.dumps(document))
    given = {
        "training": {"trainingDataConfig": {"s3Uri": "s3://no-such-rocks/train.jsonl"}},
        "output": {"outputDataConfig": {"s3Uri": "s3://no-such-rocks/out"}},
    }
    message = scene.work("lost", **given[missing]).failure_message or ""
    words = {"training": "there is no such bucket", "output": "The specified bucket does not exist"}
    assert words[missing] in message and "no-such-rocks" in message


@pytest.mark.parametrize("operation", ["DisableKey", "ScheduleKeyDeletion"])
def test_a_key_that_went_after_creation_fails_the_validation_phase(scene: Any, operation: str) -> None:
    key = scene.ask("kms", "CreateKey")["KeyMetadata"]["Arn"]
    scene.queue("late", customModelKmsKeyId=key)
    scene.ask("kms", operation, KeyId=key)
    attempts.run(scene.ground, scene.claim(), scene.closing)
    job = scene.job("late")
    assert (job.failure_message or "").startswith(f"The KMS key {key} cannot be used:")
    assert statuses(job)[0] == "Failed"
    times_are_true(job)


def test_a_parent_whose_key_is_disabled_cannot_be_continued(trained: Any) -> None:
    trained.ask("kms", "DisableKey", KeyId=trained.ask("kms", "ListKeys")["Keys"][0]["KeyId"])
    message = trained.work("again", baseModelIdentifier="locked").failure_message or ""
    assert message.startswith("The KMS key of the custom model locked cannot be used:") and "is disabled" in message


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_parent_of_another_checkpoint_is_refused_naming_both(trained: Any, tmp_path: Path) -> None:
    other = Path(shutil.copytree(PEBBLE, tmp_path / "other"))
    trained.ground.catalogue().map(NOVA_UNSUFFIXED, other)
    message = trained.work("again", baseModelIdentifier="plain").failure_message or ""
    assert str(PEBBLE) in message and str(other) in message and "Map it back" in message


@pytest.mark.parametrize("damage", ["tokenizer", "catalogue"])
def test_a_damaged_checkpoint_or_catalogue_is_said_as_what_it_is(scene: Any, tmp_path: Path, damage: str) -> None:
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "mapped"))
    scene.ground.catalogue().map(NOVA_UNSUFFIXED, folder)
    scene.queue("damaged")
    broken = folder / "tokenizer.json" if damage == "tokenizer" else scene.ground.settings.catalogue_file
    broken.write_text("{ half of")
    attempts.run(scene.ground, scene.claim(), scene.closing)
    message = scene.job("damaged").failure_message or ""
    assert f"{broken} cannot be read" in message


def test_a_loss_that_is_no_number_fails_the_job_and_leaves_no_model(scene: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PEBBLE, tmp_path / "broken"))
    _poison(folder / "model.safetensors")
    scene.ground.catalogue().map(NOVA_UNSUFFIXED, folder)
    job = scene.work("poisoned")
    assert "no number" in (job.failure_message or "")
    assert statuses(job) == ["Completed", "Completed", "Failed"]
    times_are_true(job)
    assert not scene.ground.model_folder(job.id).exists()
    assert not scene.ground.work_folder(job.id).exists()
    assert (scene.ground.settings.logs_folder / f"job-{job.id}.log").exists()


def _poison(weights: Path) -> None:
    """Set one layer's norm to infinity, in the file's own number type."""
    tensors = load_file(weights)
    name = next(name for name in tensors if "layernorm" in name or "norm" in name)
    tensors[name] = torch.full_like(tensors[name], float("inf"))
    save_file(tensors, weights, metadata={"format": "pt"})


# --- stops, leases, crashes -------------------------------------------------------------------------------------------


def test_a_stop_asked_for_before_the_first_phase_is_heard(scene: Any) -> None:
    scene.queue("stopped")
    claimed = scene.claim()
    scene.ask("bedrock", "StopModelCustomizationJob", jobIdentifier="stopped")
    stopping = replace(claimed, job=scene.job("stopped"))
    attempts.run(scene.ground, stopping, scene.closing)
    job = scene.job("stopped")
    assert (job.status, statuses(job)) == (JobStatus.STOPPED, ["NotStarted"] * 3)


def test_a_job_that_was_handed_back_stops_at_once(scene: Any) -> None:
    scene.queue("handed")
    jobs.release(scene.ground.database, scene.claim())
    scene.ask("bedrock", "StopModelCustomizationJob", jobIdentifier="handed")
    assert scene.job("handed").status is JobStatus.STOPPED


def test_a_closing_worker_hands_its_job_back_unharmed(scene: Any) -> None:
    scene.queue("back")
    claimed = scene.claim()
    scene.closing.set()
    attempts.run(scene.ground, claimed, scene.closing)
    job = scene.job("back")
    assert (job.status, job.owner) == (JobStatus.IN_PROGRESS, None)
    assert scene.claim().job.id == job.id


def test_a_worker_that_lost_its_job_touches_nothing_of_the_one_that_took_it(scene: Any) -> None:
    job = scene.queue("taken")
    mine = scene.claim()
    jobs.release_owner(scene.ground.database, scene.ground.owner)
    attempts.run(scene.ground, scene.claim(), scene.closing)
    assert scene.job("taken").status is JobStatus.COMPLETED
    files = sorted(scene.ground.model_folder(job.id).iterdir())
    attempts.run(scene.ground, mine, scene.closing)
    assert sorted(scene.ground.model_folder(job.id).iterdir()) == files
    assert scene.job("taken").status is JobStatus.COMPLETED


def test_a_new_attempt_begins_with_the_first_phase(scene: Any) -> None:
    scene.queue("again")
    jobs.set_phase(scene.ground.database, scene.claim(), Phase.TRAINING, PhaseStatus.IN_PROGRESS, scene.ground.clock())
    jobs.release_owner(scene.ground.database, scene.ground.owner)
    scene.put("train.jsonl", b"")
    attempts.run(scene.ground, scene.claim(), scene.closing)
    assert statuses(scene.job("again")) == ["Failed", "NotStarted", "NotStarted"]


def begun(scene: Any, name: str) -> threading.Thread:
    """An attempt at the oldest job, under way."""
    running = threading.Thread(target=attempts.run, args=(scene.ground, scene.claim(), scene.closing), name=name)
    running.start()
    return running


def test_a_job_taken_over_goes_on_from_its_checkpoint_and_says_so(scene: Any) -> None:
    scene.put("train.jsonl", jsonl([nova_row(f"What is {number}?", f"It is {number * 7}.") for number in range(60)]))
    job = scene.queue("taken", hyperParameters={"epochCount": "3"})
    _run_until_rows_are_ready(scene)
    _checkpoint_every_step(scene.ground.work_folder(job.id))
    interrupted = begun(scene, "interrupted")
    checkpoints = scene.ground.work_folder(job.id) / "checkpoints"
    await_that(lambda: list(checkpoints.glob("*/step-*")), 60, "a checkpoint", every_s=0.01)
    for child in _training_children(scene):
        os.kill(child, signal.SIGSTOP)  # so that it comes no further, however fast it is
    scene.closing.set()
    interrupted.join()
    handed_back = scene.job("taken")
    assert handed_back.status is JobStatus.IN_PROGRESS
    scene.closing.clear()
    scene.put("train.jsonl", b"of no use: the rows are prepared")
    begun(scene, "last").join()
    job = scene.job("taken")
    assert (job.status, job.failure_message) == (JobStatus.COMPLETED, None)
    assert [job.phases[phase] for phase in PHASES[:2]] == [handed_back.phases[phase] for phase in PHASES[:2]]
    times_are_true(job)
    resumed = job.history[-1]
    assert resumed["event"] == "resumed" and resumed["attempt"] == 3
    assert 0 < resumed["from_step"] < 180 and resumed["lost_steps"] >= 0
    steps = rows_of(scene, job, "training_artifacts/step_wise_training_metrics.csv")
    assert [row["step_number"] for row in steps] == [str(step) for step in range(180)]
    assert not scene.ground.work_folder(job.id).exists()


def _checkpoint_every_step(work: Path) -> None:
    """In the plan that the job's next attempts train by: what a checkpoint is bound to stays the same."""
    plan = kept_plan(work)
    assert plan is not None
    keep_plan(work, replace(plan, checkpoint_every_steps=1))


def test_a_job_whose_prepared_rows_are_gone_begins_again_and_says_so(scene: Any) -> None:
    scene.queue("robbed")
    jobs.set_phase(
        scene.ground.database, scene.claim(), Phase.DATA_PROCESSING, PhaseStatus.COMPLETED, scene.ground.clock()
    )
    jobs.release_owner(scene.ground.database, scene.ground.owner)
    begun(scene, "second").join()
    job = scene.job("robbed")
    assert statuses(job) == ["Completed"] * 3
    assert [(entry["event"], entry["phase"]) for entry in job.history] == [("restarted", "validationDetails")]


def test_a_job_that_takes_every_worker_down_ends_one_day(scene: Any) -> None:
    scene.queue("deadly")
    with scene.ground.database.write() as connection:
        connection.execute(sa.update(jobs.JOBS).values(attempts=attempts.ATTEMPTS_LIMIT))
    attempts.run(scene.ground, scene.claim(), scene.closing)
    assert f"begun {attempts.ATTEMPTS_LIMIT} times" in (scene.job("deadly").failure_message or "")


def test_a_folder_that_cannot_be_made_is_said_in_the_systems_words(scene: Any) -> None:
    scene.ground.settings.work_folder.write_text("in the way")
    message = scene.work("blocked").failure_message
    assert message == "The job could not use its files: Not a directory."


def test_an_end_that_cannot_be_written_is_written_once_it_can(scene: Any, caplog: pytest.LogCaptureFixture) -> None:
    job = scene.queue("full")
    claimed = scene.claim()
    engine = scene.ground.database.engine

    def read_only(connection: Any, _record: Any) -> None:
        connection.execute("pragma query_only=on")

    sa.event.listen(engine, "connect", read_only)
    engine.dispose()
    running = threading.Thread(target=attempts.run, args=(scene.ground, claimed, scene.closing))
    running.start()
    await_that(lambda: "cannot be written yet" in caplog.text, 20, "a settle that fails")
    sa.event.remove(engine, "connect", read_only)
    engine.dispose()
    running.join()
    ended = scene.job("full")
    assert ended.status is JobStatus.FAILED
    assert ended.failure_message == "The job's state could not be written: attempt to write a readonly database."
    assert not scene.ground.work_folder(job.id).exists()


def test_a_name_taken_meanwhile_fails_the_job_and_leaves_no_files(scene: Any) -> None:
    """The API does not let it come so far; a row that somebody else wrote must not make the job run for ever."""
    scene.queue("twin")
    claimed = scene.claim()
    with scene.ground.database.write() as connection:
        models.add(connection, _twin(claimed.job))
    attempts.run(scene.ground, claimed, scene.closing)
    job = scene.job("twin")
    assert job.failure_message == "The custom model's name was taken while the job ran."
    assert not scene.ground.model_folder(job.id).exists()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit is Linux's")
def test_a_model_that_does_not_fit_on_the_disk_fails_the_job_with_the_systems_words(scene: Any) -> None:
    """The kernel refuses the training child any file of more than 50 kB, as a full disk would."""
    job = scene.queue("large")
    running = threading.Thread(target=attempts.run, args=(scene.ground, scene.claim(), scene.closing))
    running.start()
    (child,) = await_that(lambda: _training_children(scene), 30, "a training child", every_s=0.01)
    resource.prlimit(child, resource.RLIMIT_FSIZE, (50_000, 50_000))
    running.join()
    assert "cannot be written: File too large" in (scene.job("large").failure_message or "")
    assert not scene.ground.model_folder(job.id).exists()


def _twin(job: jobs.Job) -> models.CustomModel:
    return models.CustomModel(
        id="twintwintwin",
        arn="arn:twin",
        account=job.account,
        region=job.region,
        name=job.model_name,
        status=models.ModelStatus.ACTIVE,
        job_id="anotheranoth",
        base_model_id=job.base_model_id,
        parent_id=None,
        customization_type=job.customization_type,
        checkpoint=str(PEBBLE),
        kms_key_arn=None,
        data_key=None,
        created_at=job.created_at,
    )
