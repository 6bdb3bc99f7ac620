"""A batch job while one worker has it: what it may touch, what it keeps, what it says. Knows no order of phases."""

import contextlib
import logging
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from outcrop.domain.states import InvocationJobStatus
from outcrop.services.runtime.served import Place as Where
from outcrop.services.runtime.served import Served, find_batched
from outcrop.store import invocation_jobs, models
from outcrop.store.invocation_jobs import Advance, ClaimedInvocationJob, InvocationJob
from outcrop.worker.access import Place, RoleAccess
from outcrop.worker.batch.answers import Answers, Position
from outcrop.worker.batch.asking import Tally
from outcrop.worker.batch.engine import JobsEngine
from outcrop.worker.batch.inputs import InputFile
from outcrop.worker.batch.outputs import Output
from outcrop.worker.data_keys import data_key_of
from outcrop.worker.ground import WorkerGround
from outcrop.worker.lease import Lease, StopRequested

LOG = logging.getLogger(__name__)


class TimeUp(Exception):
    """The job's timeout is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The answers that are kept, and how far they reach."""

    answers: Answers
    position: Position
    tally: Tally


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed job."""

    ground: WorkerGround
    claimed: ClaimedInvocationJob
    lease: Lease

    @property
    def job(self) -> InvocationJob:
        """The row as it was claimed."""
        return self.claimed.job

    @property
    def access(self) -> RoleAccess:
        """What the job's role may read and write."""
        return RoleAccess(objects=self.ground.objects, job=self.job, clock=self.ground.clock)

    @property
    def source(self) -> Place:
        """Where the input lies."""
        return Place.of(self.job.input_data["s3InputDataConfig"]["s3Uri"])

    @property
    def target(self) -> Place:
        """The output address that the request names."""
        return Place.of(self.job.output_data["s3OutputDataConfig"]["s3Uri"])

    @property
    def output(self) -> Output:
        """The job's own folder there, and the key of what is written into it."""
        return Output(access=self.access, folder=self.target.below(self.job.id), kms_key_arn=self.job.kms_key_arn)

    def check(self) -> None:
        """Raises what says that the work must not go on."""
        self.lease.check()
        if self.ground.clock() >= self.job.expires_at:
            raise TimeUp

    def check_ours(self) -> None:
        """As `check`, but a job that is to stop, or whose time is up, may still put in place what it has."""
        with contextlib.suppress(StopRequested):
            self.lease.check()

    def move(self, status: InvocationJobStatus) -> None:
        """Say how far the job is."""
        invocation_jobs.move(self.ground.database, self.claimed, status, self.ground.clock())

    def remember(self, files: list[InputFile]) -> None:
        """What validation found."""
        total = sum(file.records for file in files)
        invocation_jobs.set_inputs(self.ground.database, self.claimed, [asdict(file) for file in files], total)

    def advance(self, position: Position, tally: Tally) -> None:
        """So far the kept answers count."""
        reached = Advance(
            position=asdict(position),
            success_records=tally.success,
            error_records=tally.errors,
            input_tokens=tally.input_tokens,
            output_tokens=tally.output_tokens,
        )
        invocation_jobs.advance(self.ground.database, self.claimed, reached, self.ground.clock())

    def kept(self) -> Kept:
        """The answers of the attempts before this one; none where one of them is not here any more."""
        folder = self.ground.work_folder(self.job.id) / "answers" / str(self.claimed.fence)
        answers = Answers(job_id=self.job.id, folder=folder, key=self._data_key())
        answers.take_over()
        position = Position(**self.job.position) if self.job.position else Position()
        if answers.reach(position):
            return Kept(answers=answers, position=position, tally=_tally_of(self.job))
        LOG.warning("job %s: answers that were kept are gone; it begins again", self.job.id)
        answers.clear()
        self.advance(Position(), Tally())
        return Kept(answers=answers, position=Position(), tally=Tally())

    def engine(self) -> JobsEngine:
        """The way to the engine of the job's model. Raises a Fault where the model is there no more."""
        with self.ground.database.read() as connection:
            served, custom = self._served(connection), self.job.custom_model_id
            model = None if custom is None else models.by_id(connection, custom)
        return JobsEngine.of(self.ground, self.claimed, served, model, self.check)

    def _served(self, connection: sa.Connection) -> Served:
        where = Where(region=self.job.region, account=self.job.account)
        return find_batched(connection, self.ground.catalogue(), where, self.job.model_identifier)

    def _data_key(self) -> bytes:
        """The key of the answers that are kept: made at the first attempt, opened again at every later one."""
        ground, claimed = self.ground, self.claimed
        return data_key_of(
            ground.keys, self.job, lambda made: invocation_jobs.set_data_key(ground.database, claimed, made)
        )


def _tally_of(job: InvocationJob) -> Tally:
    return Tally(
        success=job.success_records,
        errors=job.error_records,
        input_tokens=job.input_tokens,
        output_tokens=job.output_tokens,
    )
