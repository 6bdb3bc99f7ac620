"""One claimed batch job: validate, ask, put in place, settle. Knows nothing of how jobs are claimed.

Whoever takes a job over goes on behind the last answers that were kept. However a job ends, what was answered is put in
its place first: nothing that was paid for is lost.
"""

import asyncio
import contextlib
import logging
import threading

from sqlalchemy.exc import OperationalError

from outcrop.domain.errors import JobFailure
from outcrop.domain.states import InvocationJobStatus
from outcrop.services.runtime.client import close_clients
from outcrop.store import invocation_jobs
from outcrop.store.invocation_jobs import ClaimedInvocationJob
from outcrop.store.jobs import LeaseLost
from outcrop.worker.batch import inputs, outputs, settling
from outcrop.worker.batch.asking import Asking, Tally
from outcrop.worker.batch.attempt import Attempt, Kept, TimeUp
from outcrop.worker.batch.dialects import dialect_of
from outcrop.worker.batch.inputs import InputFile
from outcrop.worker.batch.settling import Ending
from outcrop.worker.batch.share import Share
from outcrop.worker.ground import WorkerGround
from outcrop.worker.lease import Closing, Lease, Lost, StopRequested

ATTEMPTS_LIMIT = 20  # a job that takes its worker down every time must not do so for ever
LOG = logging.getLogger(__name__)


class _Ended(Exception):
    """The asking ended early: with so many answers, and why."""

    def __init__(self, tally: Tally, why: Exception) -> None:
        super().__init__()
        self.tally, self.why = tally, why


def run(ground: WorkerGround, claimed: ClaimedInvocationJob, share: Share, closing: threading.Event) -> None:
    """Take a claimed job to its end. Never raises for what the job did; a lost lease is only logged."""
    lease_s, job_id = ground.settings.lease_s, claimed.job.id
    try:
        with Lease(
            lambda: invocation_jobs.beat(ground.database, claimed, ground.clock(), lease_s), lease_s, LeaseLost, closing
        ) as lease:
            attempt = Attempt(ground, claimed, lease)
            ending = settling.ending_of(lambda attempt: _work(attempt, share), attempt)
            settling.settle(attempt, ending, closing)
    except (Lost, LeaseLost):
        LOG.warning("job %s, attempt %s: this worker does not hold it any more", job_id, claimed.job.attempts)
    except Closing:
        _hand_back(ground, claimed)


def _work(attempt: Attempt, share: Share) -> Ending:
    """The phases, in order."""
    if attempt.job.attempts > ATTEMPTS_LIMIT:
        raise JobFailure(
            f"The job was begun {ATTEMPTS_LIMIT} times, and each time its worker was stopped or killed before it "
            "had ended; the worker's log tells more."
        )
    files = _validated(attempt)
    kept = attempt.kept()
    total = sum(file.records for file in files)
    try:
        tally = _ask(attempt, share, files, kept)
    except _Ended as ended:
        _put_in_place(attempt, files, kept, ended.tally)
        if isinstance(ended.why, TimeUp) and ended.tally.records:
            return settling.ran_out_of_time(ended.tally, total)
        raise ended.why from None
    _put_in_place(attempt, files, kept, tally)
    return settling.answered(tally)


def _validated(attempt: Attempt) -> list[InputFile]:
    """The files, every line of which is a record; an attempt before this one may have seen to that."""
    if attempt.job.inputs is not None:
        return [InputFile(**file) for file in attempt.job.inputs]
    if attempt.job.stop_requested:
        raise StopRequested
    attempt.check()
    attempt.move(InvocationJobStatus.VALIDATING)
    attempt.access.probe_write(attempt.target)
    found = inputs.find_files(attempt.access, attempt.source)
    files = inputs.validated(attempt.access, attempt.source.bucket, found, attempt.check)
    attempt.remember(files)
    return files


def _ask(attempt: Attempt, share: Share, files: list[InputFile], kept: Kept) -> Tally:
    """Ask what is left. Raises _Ended where the asking ends early, with all that is in order kept."""
    asking: Asking | None = None
    try:
        if attempt.job.stop_requested:
            raise StopRequested
        attempt.check()
        attempt.move(InvocationJobStatus.SCHEDULED)
        asking = _asking(attempt, share, kept)
        asyncio.run(_ask_files(attempt, asking, files))
        return asking.tally
    except (Lost, LeaseLost):
        raise
    except Exception as why:  # whatever it was, a disk's refusal or a mistake of ours
        tally = kept.tally if asking is None else _kept_to_the_end(attempt, asking)
        if isinstance(why, Closing):
            raise
        raise _Ended(tally, why) from why


def _kept_to_the_end(attempt: Attempt, asking: Asking) -> Tally:
    """What is kept, the last answers with it. Where these cannot be, they alone are lost."""
    try:
        asking.keep_what_is_there()
    except (OSError, OperationalError):
        LOG.exception("job %s: its last answers cannot be kept", attempt.job.id)
    return asking.kept


def _asking(attempt: Attempt, share: Share, kept: Kept) -> Asking:
    engine = attempt.engine()
    return Asking(
        engine=engine,
        dialect=dialect_of(attempt.job.invocation_type, engine.served),
        share=share,
        answers=kept.answers,
        check=attempt.check,
        keep=attempt.advance,
        position=kept.position,
        tally=kept.tally,
    )


async def _ask_files(attempt: Attempt, asking: Asking, files: list[InputFile]) -> None:
    checkpoint, first = str(asking.engine.served.checkpoint), asking.position
    wishes, bucket = attempt.ground.wishes, attempt.source.bucket
    with wishes.held(checkpoint):
        wishes.hope_again(checkpoint)
        try:
            await asking.engine.bring(0)
            attempt.move(InvocationJobStatus.IN_PROGRESS)
            for number, file in enumerate(files[first.file :], start=first.file):
                offset, line = (first.offset, first.line) if number == first.file else (0, 0)
                with contextlib.closing(inputs.records(attempt.access, bucket, file, offset, line)) as records:
                    await asking.file(number, records)
        finally:
            await close_clients()
            await asyncio.to_thread(asking.engine.release)


def _put_in_place(attempt: Attempt, files: list[InputFile], kept: Kept, tally: Tally) -> None:
    """Outputs and manifest, where anything was answered."""
    if tally.records:
        outputs.publish(attempt.output, files, kept.answers, attempt.check_ours)
        outputs.publish_manifest(attempt.output, sum(file.records for file in files), tally)


def _hand_back(ground: WorkerGround, claimed: ClaimedInvocationJob) -> None:
    try:
        invocation_jobs.release(ground.database, claimed)
        LOG.info("job %s is handed back", claimed.job.id)
    except (LeaseLost, OperationalError) as error:  # the next worker frees what this one held
        LOG.info("job %s could not be handed back (%s)", claimed.job.id, type(error).__name__)
