"""Leases, fences and moves of customization jobs, on a real database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outcrop.domain.names import new_id
from outcrop.domain.states import JOB_MOVES, JobStatus, Phase, PhaseStatus, may_move
from outcrop.store import jobs, models, tags
from outcrop.store.database import METADATA, Database

LEASE_S = 5.0
LATER = timedelta(seconds=LEASE_S + 1)
Queue = Callable[..., jobs.Job]


def a_job(now: datetime, **given: Any) -> jobs.Job:
    job_id, model_id = new_id(), new_id()
    values: dict[str, Any] = {
        "id": job_id,
        "arn": f"arn:aws:bedrock:us-east-1:123456789012:model-customization-job/amazon.nova-micro-v1:0:128k/{job_id}",
        "account": "123456789012",
        "region": "us-east-1",
        "name": f"job-{job_id}",
        "model_id": model_id,
        "model_name": f"model-{model_id}",
        "model_tags": {"team": "rocks"},
        "base_model_id": "amazon.nova-micro-v1:0:128k",
        "customization_type": "FINE_TUNING",
        "role_arn": "arn:aws:iam::123456789012:role/Customizer",
        "hyperparameters": {"epochCount": "2"},
        "training_data": {"s3Uri": "s3://rocks/train.jsonl"},
        "validation_data": {"validators": []},
        "output_data": {"s3Uri": "s3://rocks/out"},
        "phases": jobs.NO_PHASES,
        "validation_losses": [],
        "created_at": now,
        "modified_at": now,
    }
    return jobs.Job(**{**values, **given})


@pytest.fixture
def queue(database: Database, noon: datetime) -> Queue:
    def add(**given: Any) -> jobs.Job:
        job = a_job(given.pop("now", noon), **given)
        with database.write() as connection:
            jobs.add(connection, job)
        return job

    return add


def now_of(database: Database, job: jobs.Job) -> jobs.Job:
    with database.read() as connection:
        found = jobs.by_id(connection, job.id)
    assert found is not None
    return found


def claimed_by(database: Database, owner: str, now: datetime, slots: int = 9) -> jobs.ClaimedJob:
    claimed = jobs.claim(database, owner, now, LEASE_S, slots)
    assert claimed is not None
    return claimed


def stop(database: Database, job: jobs.Job, now: datetime) -> JobStatus:
    with database.write() as connection:
        found = jobs.by_id(connection, job.id)
        assert found is not None
        return jobs.request_stop(connection, found, now)


def test_a_job_comes_back_as_it_was_queued(database: Database, queue: Queue) -> None:
    job = queue(vpc={"subnetIds": ["s"], "securityGroupIds": ["g"]}, kms_key_arn="arn:aws:kms:k")
    assert now_of(database, job) == job


def test_a_job_is_found_by_name_and_by_arn_in_its_own_region_only(database: Database, queue: Queue) -> None:
    job = queue()
    with database.read() as connection:
        assert jobs.find(connection, job.region, job.account, job.name) == job
        assert jobs.find(connection, job.region, job.account, job.arn) == job
        assert jobs.find(connection, "us-west-2", job.account, job.name) is None
        assert jobs.find(connection, "us-west-2", job.account, job.arn) is None
        assert jobs.find(connection, job.region, "999999999999", job.name) is None


def test_the_oldest_job_is_claimed_first(database: Database, queue: Queue, noon: datetime) -> None:
    younger, older = queue(now=noon), queue(now=noon - timedelta(minutes=1))
    assert claimed_by(database, "one", noon).job.id == older.id
    assert claimed_by(database, "one", noon).job.id == younger.id
    assert jobs.claim(database, "one", noon, LEASE_S, 9) is None


def test_no_more_jobs_are_claimed_than_there_are_slots(database: Database, queue: Queue, noon: datetime) -> None:
    queue(), queue()
    claimed_by(database, "one", noon, slots=1)
    assert jobs.claim(database, "two", noon, LEASE_S, 1) is None
    assert jobs.claim(database, "two", noon, LEASE_S, 2) is not None


def test_many_claimers_never_share_a_job(database: Database, queue: Queue, noon: datetime) -> None:
    made = {queue().id for _ in range(12)}
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda n: jobs.claim(database, f"owner-{n}", noon, LEASE_S, 99), range(20)))
    taken = [claim.job.id for claim in claims if claim is not None]
    assert sorted(taken) == sorted(made)


def test_a_living_lease_keeps_others_out_and_a_beat_prolongs_it(
    database: Database, queue: Queue, noon: datetime
) -> None:
    queue()
    claimed = claimed_by(database, "one", noon)
    assert jobs.beat(database, claimed, noon + timedelta(seconds=4), LEASE_S) is False
    assert jobs.claim(database, "two", noon + timedelta(seconds=8), LEASE_S, 9) is None


def test_an_expired_lease_is_taken_over_and_the_old_owner_can_change_nothing(
    database: Database, queue: Queue, noon: datetime
) -> None:
    job = queue()
    old = claimed_by(database, "one", noon)
    new = claimed_by(database, "two", noon + LATER)
    assert (new.job.id, new.fence, new.job.attempts) == (job.id, old.fence + 1, 2)
    late = noon + LATER
    attempts: list[Callable[[], object]] = [
        lambda: jobs.beat(database, old, late, LEASE_S),
        lambda: jobs.set_phase(database, old, Phase.TRAINING, PhaseStatus.COMPLETED, late),
        lambda: jobs.begin_again(database, old),
        lambda: jobs.note(database, old, {"event": "late"}),
        lambda: jobs.set_data_key(database, old, b"key"),
        lambda: jobs.set_estimate(database, old, {"estimated": {}}),
        lambda: jobs.release(database, old),
        lambda: jobs.settle(database, old, jobs.Outcome(status=JobStatus.COMPLETED), late),
    ]
    before = now_of(database, job)
    for attempt in attempts:
        with pytest.raises(jobs.LeaseLost, match=r"no longer held by one \(fence 1\)"):
            attempt()
    assert now_of(database, job) == before


def test_who_takes_a_job_over_finds_its_phases_and_may_begin_again(
    database: Database, queue: Queue, noon: datetime
) -> None:
    queue()
    jobs.set_phase(database, claimed_by(database, "one", noon), Phase.VALIDATION, PhaseStatus.COMPLETED, noon)
    taken = claimed_by(database, "two", noon + LATER)
    assert taken.job.phases["validationDetails"]["status"] == "Completed"
    jobs.begin_again(database, taken)
    assert now_of(database, taken.job).phases == jobs.NO_PHASES


def test_a_history_is_kept_in_order_over_attempts(database: Database, queue: Queue, noon: datetime) -> None:
    job = queue()
    old = claimed_by(database, "one", noon)
    jobs.note(database, old, {"event": "one"})
    new = claimed_by(database, "two", noon + LATER)
    jobs.note(database, new, {"event": "two"})
    assert now_of(database, job).history == [{"event": "one"}, {"event": "two"}]


def test_a_late_beat_keeps_a_job_that_nobody_took(database: Database, queue: Queue, noon: datetime) -> None:
    queue()
    claimed = claimed_by(database, "one", noon)
    jobs.beat(database, claimed, noon + LATER, LEASE_S)
    assert jobs.claim(database, "two", noon + LATER, LEASE_S, 9) is None


def test_a_dead_owners_jobs_are_free_at_once_and_fenced(database: Database, queue: Queue, noon: datetime) -> None:
    queue(), queue(now=noon + timedelta(seconds=1))
    mine, theirs = claimed_by(database, "dead", noon), claimed_by(database, "alive", noon)
    assert jobs.release_owner(database, "dead") == 1
    with pytest.raises(jobs.LeaseLost):
        jobs.beat(database, mine, noon, LEASE_S)
    assert jobs.beat(database, theirs, noon, LEASE_S) is False
    assert claimed_by(database, "next", noon).job.id == mine.job.id


def test_a_job_handed_back_is_claimed_by_another_at_once(database: Database, queue: Queue, noon: datetime) -> None:
    queue()
    jobs.release(database, claimed_by(database, "one", noon))
    assert claimed_by(database, "two", noon).job.attempts == 2


def test_a_queued_job_stops_at_once_and_is_never_claimed(database: Database, queue: Queue, noon: datetime) -> None:
    job = queue()
    assert stop(database, job, noon) is JobStatus.STOPPED
    assert now_of(database, job).ended_at == noon
    assert jobs.claim(database, "one", noon, LEASE_S, 9) is None


def test_a_running_job_hears_of_a_stop_and_leaves_no_model(database: Database, queue: Queue, noon: datetime) -> None:
    job = queue()
    claimed = claimed_by(database, "one", noon)
    jobs.set_phase(database, claimed, Phase.VALIDATION, PhaseStatus.COMPLETED, noon)
    jobs.set_phase(database, claimed, Phase.TRAINING, PhaseStatus.IN_PROGRESS, noon)
    assert stop(database, job, noon) is JobStatus.STOPPING
    assert now_of(database, job).phases["trainingDetails"]["status"] == "Stopping"
    assert jobs.beat(database, claimed, noon, LEASE_S) is True
    settled = jobs.settle(database, claimed, jobs.Outcome(status=JobStatus.STOPPED), noon)
    assert [settled.phases[phase]["status"] for phase in Phase] == ["Completed", "NotStarted", "Stopped"]
    with database.read() as connection:
        assert models.find(connection, job.region, job.account, job.model_name) is None


def test_a_stopping_job_whose_worker_died_is_taken_over_to_be_settled(
    database: Database, queue: Queue, noon: datetime
) -> None:
    job = queue()
    claimed_by(database, "one", noon)
    stop(database, job, noon)
    assert claimed_by(database, "two", noon + LATER).job.stop_requested


def test_a_completed_job_has_its_model_with_tags_and_data_key(database: Database, queue: Queue, noon: datetime) -> None:
    job = queue(kms_key_arn="arn:aws:kms:k", parent_id="parentparent")
    claimed = claimed_by(database, "one", noon)
    jobs.set_data_key(database, claimed, b"wrapped")
    outcome = jobs.Outcome(
        status=JobStatus.COMPLETED, training_loss=1.5, validation_losses=(1.25, 2.5), checkpoint="/checkpoints/pebble"
    )
    settled = jobs.settle(database, claimed, outcome, noon + LATER)
    assert (settled.training_loss, settled.validation_losses, settled.ended_at) == (1.5, [1.25, 2.5], noon + LATER)
    with database.read() as connection:
        model = models.find(connection, job.region, job.account, job.model_name)
        assert model is not None
        assert tags.of(connection, model.arn) == {"team": "rocks"}
    assert (model.id, model.arn, model.job_id) == (job.model_id, job.model_arn, job.id)
    assert (model.data_key, model.kms_key_arn, model.parent_id) == (b"wrapped", "arn:aws:kms:k", "parentparent")
    assert (model.checkpoint, model.created_at) == ("/checkpoints/pebble", noon + LATER)


def test_a_settled_job_is_nobodys_any_more(database: Database, queue: Queue, noon: datetime) -> None:
    queue()
    claimed = claimed_by(database, "one", noon)
    jobs.settle(database, claimed, jobs.Outcome(status=JobStatus.FAILED, failure_message="no"), noon)
    with pytest.raises(jobs.LeaseLost):
        jobs.beat(database, claimed, noon, LEASE_S)
    assert jobs.claim(database, "two", noon + LATER, LEASE_S, 9) is None


def test_a_failure_message_is_cut_to_what_the_api_can_say(database: Database, queue: Queue, noon: datetime) -> None:
    queue()
    outcome = jobs.Outcome(status=JobStatus.FAILED, failure_message="x" * 5000)
    settled = jobs.settle(database, claimed_by(database, "one", noon), outcome, noon)
    assert settled.failure_message == "x" * jobs.FAILURE_MESSAGE_LIMIT


def test_a_model_name_taken_meanwhile_leaves_the_job_unfinished(
    database: Database, queue: Queue, noon: datetime
) -> None:
    """The transaction is one: without its model, no job is Completed."""
    job = queue()
    twin = queue(model_name=job.model_name, now=noon + timedelta(seconds=1))
    first, second = claimed_by(database, "one", noon), claimed_by(database, "two", noon)
    completed = jobs.Outcome(status=JobStatus.COMPLETED)
    jobs.settle(database, first, completed, noon)
    with pytest.raises(Exception, match="UNIQUE"):
        jobs.settle(database, second, completed, noon)
    assert now_of(database, twin).status is JobStatus.IN_PROGRESS


def test_a_phase_keeps_the_time_it_began(database: Database, queue: Queue, noon: datetime) -> None:
    job = queue()
    claimed = claimed_by(database, "one", noon)
    jobs.set_phase(database, claimed, Phase.VALIDATION, PhaseStatus.IN_PROGRESS, noon)
    jobs.set_phase(database, claimed, Phase.VALIDATION, PhaseStatus.COMPLETED, noon + LATER)
    phases = now_of(database, job).phases
    assert phases["validationDetails"] == {
        "status": "Completed",
        "creationTime": noon.timestamp(),
        "lastModifiedTime": (noon + LATER).timestamp(),
    }
    assert phases["trainingDetails"] == {"status": "NotStarted"}


def test_an_illegal_move_is_our_mistake_and_changes_nothing(database: Database, queue: Queue, noon: datetime) -> None:
    job = queue()
    with pytest.raises(AssertionError, match="from InProgress to Stopped"):
        jobs.settle(database, claimed_by(database, "one", noon), jobs.Outcome(status=JobStatus.STOPPED), noon)
    assert now_of(database, job).status is JobStatus.IN_PROGRESS


def test_jobs_that_continue_a_model_or_make_one_of_a_name_are_known_until_they_end(
    database: Database, queue: Queue, noon: datetime
) -> None:
    job = queue(parent_id="parentparent")
    here = (job.region, job.account)
    with database.read() as connection:
        assert jobs.names_continuing(connection, "parentparent") == [job.name]
        making = jobs.making_model_named(connection, *here, job.model_name)
        assert making is not None and making.id == job.id
        assert jobs.count_unfinished(connection, *here) == 1
    jobs.settle(database, claimed_by(database, "one", noon), jobs.Outcome(status=JobStatus.FAILED), noon)
    with database.read() as connection:
        assert jobs.names_continuing(connection, "parentparent") == []
        assert jobs.making_model_named(connection, *here, job.model_name) is None
        assert jobs.count_unfinished(connection, *here) == 0


statuses = st.sampled_from(list(JobStatus))


@given(statuses)
def test_an_ended_job_never_moves_again(status: JobStatus) -> None:
    ended = not JOB_MOVES[status]
    assert ended == (status.value not in jobs.UNFINISHED)


@given(st.lists(statuses, max_size=8))
def test_every_walk_of_legal_moves_ends_after_two_steps_at_most(walk: list[JobStatus]) -> None:
    now, moved = JobStatus.IN_PROGRESS, 0
    for to in walk:
        if may_move(now, to):
            now, moved = to, moved + 1
    assert moved <= 2


class _Crowd:
    """Two workers, a clock and a caller, at one job: whatever they do, the fence and the states hold."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.database, self.now = database, now
        self.job = a_job(now)
        self.claims: list[jobs.ClaimedJob] = []
        with database.write() as connection:
            jobs.add(connection, self.job)

    def do(self, step: str) -> None:
        if step == "wait":
            self.now += LATER
        elif step == "claim":
            claimed = jobs.claim(self.database, f"owner-{len(self.claims)}", self.now, LEASE_S, 9)
            self.claims += [claimed] if claimed else []
        elif step == "stop":
            if may_move(now_of(self.database, self.job).status, JobStatus.STOPPING):
                stop(self.database, self.job, self.now)
        elif self.claims:
            self._as_worker(*step.split())

    def _as_worker(self, act: str, who: str) -> None:
        claimed = self.claims[0 if who == "oldest" else -1]
        before = now_of(self.database, self.job)
        holds = before.fence == claimed.fence and before.status.value in jobs.UNFINISHED
        try:
            if act == "beat":
                jobs.beat(self.database, claimed, self.now, LEASE_S)
            else:
                jobs.settle(self.database, claimed, jobs.Outcome(status=JobStatus.COMPLETED), self.now)
        except jobs.LeaseLost:
            assert not holds
            assert now_of(self.database, self.job) == before
        else:
            assert holds


STEPS = ["wait", "claim", "stop", "beat oldest", "beat newest", "settle oldest", "settle newest"]


def test_whatever_workers_and_callers_do_in_any_order_states_and_fences_hold(
    tmp_path_factory: pytest.TempPathFactory, noon: datetime, counts: Any
) -> None:
    opened = Database(f"sqlite:///{tmp_path_factory.mktemp('crowd') / 'outcrop.db'}")
    METADATA.create_all(opened.engine)

    @settings(max_examples=counts.few_or_full(40, 2000), deadline=None)
    @given(st.lists(st.sampled_from(STEPS), max_size=12))
    def crowd(steps: list[str]) -> None:
        with opened.write() as connection:
            for table in (jobs.JOBS, models.MODELS, tags.TAGS):
                connection.execute(table.delete())
        scene = _Crowd(opened, noon)
        for step in steps:
            was = now_of(opened, scene.job).status
            scene.do(step)
            now = now_of(opened, scene.job).status
            stopped_while_queued = (was, now) == (JobStatus.IN_PROGRESS, JobStatus.STOPPED)
            assert now == was or may_move(was, now) or stopped_while_queued
        with opened.read() as connection:
            model = models.by_id(connection, scene.job.model_id)
        assert (model is not None) == (now_of(opened, scene.job).status is JobStatus.COMPLETED)

    crowd()
    opened.close()


def test_an_idle_worker_never_waits_for_a_writer(database: Database, noon: datetime) -> None:
    with database.write():
        assert jobs.claim(database, "one", noon, LEASE_S, 9) is None
