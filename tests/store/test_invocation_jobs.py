"""A batch job's row changes only for whoever holds it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.states import InvocationJobStatus
from outcrop.store import invocation_jobs
from outcrop.store.database import Database
from outcrop.store.invocation_jobs import Advance, InvocationJob
from outcrop.store.jobs import LeaseLost
from outcrop.store.migrate import migrate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = ("us-east-1", "123456789012")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'jobs.db'}")
    migrate(opened)
    yield opened
    opened.close()


def add(database: Database, name: str, **given: Any) -> InvocationJob:
    job = InvocationJob(
        id=name.ljust(12, "0"),
        arn=f"arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/{name.ljust(12, '0')}",
        account=HERE[1],
        region=HERE[0],
        name=name,
        model_identifier="amazon.nova-micro-v1:0",
        role_arn="arn:aws:iam::123456789012:role/Reader",
        input_data={},
        output_data={},
        expires_at=NOON + timedelta(hours=24),
        created_at=NOON,
        modified_at=NOON,
    )
    made = replace(job, **given)
    with database.write() as connection:
        invocation_jobs.add(connection, made)
    return made


def read(database: Database, job: InvocationJob) -> InvocationJob:
    with database.read() as connection:
        found = invocation_jobs.find(connection, *HERE, job.id)
    assert found is not None
    return found


def claim(database: Database, now: datetime = NOON, slots: int = 9) -> invocation_jobs.ClaimedInvocationJob | None:
    return invocation_jobs.claim(database, "worker", now, 5.0, slots)


def test_the_oldest_free_job_is_claimed_as_long_as_there_are_places(database: Database) -> None:
    second = add(database, "b", created_at=NOON + timedelta(seconds=1))
    first = add(database, "a")
    taken = claim(database, slots=1)
    assert taken is not None and taken.job.id == first.id
    assert claim(database, slots=1) is None
    other = claim(database, slots=2)
    assert other is not None and other.job.id == second.id
    assert claim(database) is None


def test_a_worker_that_lost_its_lease_can_change_nothing(database: Database) -> None:
    job = add(database, "a")
    lost = claim(database)
    later = NOON + timedelta(seconds=6)
    holder = claim(database, later)
    assert lost is not None and holder is not None and holder.fence > lost.fence
    reached = Advance(position={"line": 7}, success_records=7, error_records=0, input_tokens=7, output_tokens=7)
    for change in (
        lambda: invocation_jobs.beat(database, lost, later, 5.0),
        lambda: invocation_jobs.move(database, lost, InvocationJobStatus.IN_PROGRESS, later),
        lambda: invocation_jobs.advance(database, lost, reached, later),
        lambda: invocation_jobs.set_inputs(database, lost, [], 9),
        lambda: invocation_jobs.set_data_key(database, lost, b"key"),
        lambda: invocation_jobs.settle(database, lost, InvocationJobStatus.COMPLETED, None, later),
        lambda: invocation_jobs.release(database, lost),
    ):
        with pytest.raises(LeaseLost):
            change()
    assert read(database, job).processed_records == 0
    invocation_jobs.advance(database, holder, reached, later)
    now = read(database, job)
    assert (now.position, now.processed_records) == ({"line": 7}, 7)


def test_a_dead_owners_jobs_are_free_at_once(database: Database) -> None:
    add(database, "a")
    dead = claim(database)
    assert invocation_jobs.release_owner(database, "worker") == 1
    assert dead is not None and claim(database) is not None
    with pytest.raises(LeaseLost):
        invocation_jobs.beat(database, dead, NOON, 5.0)


def test_a_stop_that_was_asked_for_stands_whatever_the_worker_says(database: Database) -> None:
    job = add(database, "a")
    held = claim(database)
    assert held is not None
    with database.write() as connection:
        invocation_jobs.request_stop(connection, read(database, job), NOON)
    invocation_jobs.move(database, held, InvocationJobStatus.IN_PROGRESS, NOON)
    assert read(database, job).status is InvocationJobStatus.STOPPING
    assert invocation_jobs.beat(database, held, NOON, 5.0)
    invocation_jobs.settle(database, held, InvocationJobStatus.STOPPED, None, NOON)
    assert read(database, job).status is InvocationJobStatus.STOPPED


def test_a_job_with_answers_that_nobody_holds_is_stopped_by_a_worker(database: Database) -> None:
    job = add(database, "a", status=InvocationJobStatus.IN_PROGRESS, success_records=3)
    with database.write() as connection:
        invocation_jobs.request_stop(connection, job, NOON)
    assert read(database, job).status is InvocationJobStatus.STOPPING
    held = claim(database)
    assert held is not None and held.job.stop_requested


def test_only_jobs_that_wait_expire_by_themselves(database: Database) -> None:
    waiting, held = add(database, "b", created_at=NOON + timedelta(seconds=1)), add(database, "a")
    assert claim(database) is not None
    assert invocation_jobs.expire_waiting(database, NOON + timedelta(hours=23)) == 0
    assert invocation_jobs.expire_waiting(database, NOON + timedelta(hours=24)) == 1
    assert read(database, waiting).status is InvocationJobStatus.EXPIRED
    assert read(database, held).status is InvocationJobStatus.SUBMITTED


def test_a_message_is_cut_to_what_the_api_can_say(database: Database) -> None:
    job = add(database, "a")
    held = claim(database)
    assert held is not None
    invocation_jobs.settle(database, held, InvocationJobStatus.FAILED, "x" * 3000, NOON)
    assert len(read(database, job).message or "") == 2048
