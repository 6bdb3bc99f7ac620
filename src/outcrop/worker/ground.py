"""What the worker stands on, and the data keys of jobs and models. Knows nothing of phases or engines."""

import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from outcrop.config import Settings
from outcrop.families.catalogue import Catalogue
from outcrop.store import engines
from outcrop.store import home as homes
from outcrop.store.database import Database
from outcrop.store.keys import Keys
from outcrop.store.object_key import object_key
from outcrop.store.objects import Objects
from outcrop.worker.wishes import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGround:
    """One for the whole worker; every part may be used from several threads."""

    settings: Settings
    database: Database
    objects: Objects
    keys: Keys
    clock: Callable[[], datetime]
    owner: str
    wishes: Wishes = field(default_factory=Wishes)

    def catalogue(self) -> Catalogue:
        """The catalogue as it is now: a user may map a model while we run."""
        return Catalogue.load(self.settings.catalogue_file)

    def work_folder(self, job_id: str) -> Path:
        """Where a running job's sealed rows, plan and log lie."""
        return self.settings.work_folder / job_id

    def job_log(self, job_id: str) -> Path:
        """Where a job's child processes talk."""
        return self.settings.logs_folder / f"job-{job_id}.log"

    def model_folder(self, job_id: str) -> Path:
        """Where the sealed model that a job made lies."""
        return self.settings.models_folder / job_id


def key_context(job_id: str) -> dict[str, str]:
    """What a job's data key is bound to: a wrapped key moved to another job does not open."""
    return {"outcrop:job": job_id}


def open_ground(settings: Settings) -> WorkerGround:
    """The ground of a worker of its own process. Raises SettingsError where its engines would have no safe place."""
    engines.make_sockets_folder(settings)
    home = homes.open_home(settings)
    keys = Keys(home.database, home.master_key)
    key = object_key(home.database, home.master_key)
    return WorkerGround(
        settings=settings,
        database=home.database,
        objects=Objects(home.database, settings.objects_folder, key, keys=keys),
        keys=keys,
        clock=lambda: datetime.now(UTC),
        owner=f"{socket.gethostname()}:{secrets.token_hex(8)}",
    )
