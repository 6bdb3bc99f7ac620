"""Nothing is kept that nobody can reach any more, and nothing else is touched."""

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from outcrop.store import jobs, models
from outcrop.store.identities.tables import SESSIONS
from outcrop.worker import housekeeping

pytestmark = pytest.mark.xdist_group("worker")


def test_a_deleted_models_files_are_wiped_then_its_row(trained: Any) -> None:
    job = trained.job("plain")
    trained.ask("bedrock", "DeleteCustomModel", modelIdentifier="plain")
    housekeeping.wipe_deleted_models(trained.ground)
    assert not trained.ground.model_folder(job.id).exists()
    assert models.forgotten(trained.ground.database) == []
    assert trained.ground.model_folder(trained.job("locked").id).exists()


def test_the_row_stays_while_a_file_does(trained: Any) -> None:
    folder = trained.ground.model_folder(trained.job("plain").id)
    trained.ask("bedrock", "DeleteCustomModel", modelIdentifier="plain")
    aside = folder.rename(folder.with_name("aside"))
    folder.symlink_to(aside)  # what rmtree refuses to remove, whoever runs it
    housekeeping.wipe_deleted_models(trained.ground)
    assert [model.name for model in models.forgotten(trained.ground.database)] == ["plain"]


def test_leftovers_of_crashes_go_and_what_is_in_use_stays(trained: Any) -> None:
    ground = trained.ground
    running, ended = trained.queue("running"), trained.job("plain")
    for job in (running, ended):
        ground.work_folder(job.id).mkdir(parents=True)
    for name in ("orphanorphan", running.id):
        (ground.settings.models_folder / name).mkdir()
    housekeeping.sweep_leftovers(ground)
    assert _names(ground.settings.work_folder) == {running.id}
    assert _names(ground.settings.models_folder) == {running.id, ended.id, trained.job("locked").id}


def test_bytes_that_no_object_names_go_once_they_are_old(scene: Any) -> None:
    shelf = scene.ground.settings.objects_folder
    kept = {path for path in shelf.rglob("*") if path.is_file()}
    old, fresh = shelf / "ab" / ("ab" + "0" * 30), shelf / "ab" / ("ab" + "1" * 30)
    old.parent.mkdir(exist_ok=True)
    for path in (old, fresh):
        path.write_bytes(b"?")
    hours_ago = time.time() - 7200
    for path in (old, *kept):
        os.utime(path, (hours_ago, hours_ago))
    housekeeping.sweep_leftovers(scene.ground)
    assert {path for path in shelf.rglob("*") if path.is_file()} == {*kept, fresh}


def test_a_new_home_has_nothing_to_sweep(scene: Any) -> None:
    assert not scene.ground.settings.work_folder.exists()
    housekeeping.sweep_leftovers(scene.ground)


def test_expired_sessions_and_keys_go_and_others_stay(scene: Any) -> None:
    role = scene.role("Somebody")
    scene.ask("iam", "UpdateAssumeRolePolicy", RoleName="Somebody", PolicyDocument=_trust(scene.server.account))
    for name in ("long-ago", "now"):
        scene.ask("sts", "AssumeRole", RoleArn=role, RoleSessionName=name, DurationSeconds=900)
    going, staying = (scene.ask("kms", "CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
    for key in (going, staying):
        scene.ask("kms", "ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    past = scene.ground.clock() - timedelta(days=2)
    with scene.ground.database.write() as connection:
        first = connection.execute(sa.select(SESSIONS.c.access_key_id).where(SESSIONS.c.session_name == "long-ago"))
        connection.execute(
            sa.update(SESSIONS).where(SESSIONS.c.access_key_id == first.scalar_one()).values(expires_at=past)
        )
    scene.ground.keys.change(scene.ground.keys.resolve("us-east-1", going), deletion_at=past)
    housekeeping.drop_what_expired(scene.ground)
    with scene.ground.database.read() as connection:
        assert connection.execute(sa.select(SESSIONS.c.session_name)).scalars().all() == ["now"]
    assert [key["KeyId"] for key in scene.ask("kms", "ListKeys")["Keys"]] == [staying]


def test_a_job_that_was_stopped_after_it_was_handed_back_leaves_no_work(scene: Any) -> None:
    job = scene.queue("handed")
    claimed = scene.claim()
    scene.ground.work_folder(job.id).mkdir(parents=True)
    jobs.release(scene.ground.database, claimed)
    scene.ask("bedrock", "StopModelCustomizationJob", jobIdentifier="handed")
    housekeeping.sweep_leftovers(scene.ground)
    assert not scene.ground.work_folder(job.id).exists()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _trust(account: str) -> str:
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [root]})
