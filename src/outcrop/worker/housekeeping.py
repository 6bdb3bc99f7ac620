"""What nobody waits for: files of deleted models, leftovers of crashes, what has expired. Knows nothing of phases."""

import logging
import shutil
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from outcrop.store import identities, invocation_jobs, jobs, models
from outcrop.store.objects import QUIET_S
from outcrop.store.uploads import Uploads
from outcrop.worker.ground import WorkerGround

EXPIRED_SESSIONS_KEPT = timedelta(days=1)  # so long their holders are told that they expired, and not "unknown"
LOG = logging.getLogger(__name__)


def wipe_deleted_models(ground: WorkerGround) -> None:
    """Models that were deleted lose their files, then their rows: a row stays where a file does."""
    for model in models.forgotten(ground.database):
        if _remove(ground.model_folder(model.job_id)):
            models.wiped(ground.database, model.id)


def drop_what_expired(ground: WorkerGround) -> None:
    """Sessions that ended long ago, and keys whose waiting period is over."""
    now = ground.clock()
    with ground.database.write() as connection:
        identities.forget_expired_sessions(connection, now - EXPIRED_SESSIONS_KEPT)
    ground.keys.reap(now)


def sweep_leftovers(ground: WorkerGround) -> None:
    """What crashes left: bytes that no object names, work of jobs that have ended, models that no row knows.

    Safe beside running jobs: folders are listed before the rows are read, so that a folder whose row comes meanwhile is
    seen to have it.
    """
    works, stored = _names_in(ground.settings.work_folder), _names_in(ground.settings.models_folder)
    with ground.database.read() as connection:
        running = {
            job_id
            for table, unfinished in (
                (jobs.JOBS, jobs.UNFINISHED),
                (invocation_jobs.INVOCATION_JOBS, invocation_jobs.UNFINISHED),
            )
            for job_id in connection.execute(sa.select(table.c.id).where(table.c.status.in_(unfinished))).scalars()
        }
        known = set(connection.execute(sa.select(models.MODELS.c.job_id)).scalars())
    for job_id in works - running:
        _remove(ground.work_folder(job_id))
    for job_id in stored - running - known:
        _remove(ground.model_folder(job_id))
    swept = Uploads(ground.objects).sweep(QUIET_S)
    if swept:
        LOG.info("removed %s files of objects that no row names", swept)


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _remove(folder: Path) -> bool:
    """Whether it is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    gone = not folder.exists()
    if not gone:
        LOG.error("%s cannot be removed (see its owner and permissions); it is tried again", folder)
    return gone
