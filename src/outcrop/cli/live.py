"""A job as a user's client sees it: what the API says of it, and its artifacts in the bucket. Knows no terminal."""

import csv
import io
import json
from dataclasses import dataclass, field
from typing import Any

from outcrop.cli.options import Clients
from outcrop.worker import artifacts

PHASES = {
    "validationDetails": "validating data",
    "dataProcessingDetails": "processing data",
    "trainingDetails": "training",
}
UNFINISHED = ("InProgress", "Stopping")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A job at one moment. `progress` and `estimate` are the artifacts, empty until there are any.

    `training` and `validation` are losses by step, which counts from 1.
    """

    job: dict[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)
    estimate: dict[str, Any] = field(default_factory=dict)
    training: list[Point] = field(default_factory=list)
    validation: list[Point] = field(default_factory=list)

    @property
    def status(self) -> str:
        """As the API says it."""
        return str(self.job["status"])

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status not in UNFINISHED

    @property
    def phase(self) -> str:
        """What it is doing, in words."""
        if self.ended or self.status == "Stopping":
            return self.status.lower()
        details = self.job.get("statusDetails", {})
        busy = [words for name, words in PHASES.items() if details.get(name, {}).get("status") == "InProgress"]
        return busy[-1] if busy else "waiting"


class Watcher:
    """Looks at one job; reads an artifact again only when the progress has moved."""

    def __init__(self, clients: Clients, job: str) -> None:
        self._clients = clients
        self._job = job
        self._seen: View | None = None

    def look(self) -> View:
        """The job as it is now. Raises what boto3 raises where there is no such job."""
        job = self._clients.bedrock.get_model_customization_job(jobIdentifier=self._job)
        progress = self._json(job, artifacts.PROGRESS_FILE)
        before = self._seen
        if before is not None and before.progress.get("updatedAt") == progress.get("updatedAt") and not _over(job):
            self._seen = View(
                job=job,
                progress=progress,
                estimate=before.estimate or self._json(job, artifacts.ESTIMATE_FILE),
                training=before.training,
                validation=before.validation,
            )
        else:
            self._seen = self._whole(job, progress)
        return self._seen

    def _whole(self, job: dict[str, Any], progress: dict[str, Any]) -> View:
        return View(
            job=job,
            progress=progress,
            estimate=self._json(job, artifacts.ESTIMATE_FILE),
            training=self._losses(job, artifacts.TRAINING_FILE, "training_loss"),
            validation=[
                point
                for name in (artifacts.BEFORE_FILE, artifacts.VALIDATION_FILES[-1])
                for point in self._losses(job, name, "validation_loss")
            ],
        )

    def _json(self, job: dict[str, Any], name: str) -> dict[str, Any]:
        content = self._read(job, name)
        found: dict[str, Any] = {} if content is None else json.loads(content)
        return found

    def _losses(self, job: dict[str, Any], name: str, column: str) -> list[Point]:
        content = self._read(job, name)
        if content is None:
            return []
        rows = csv.DictReader(io.StringIO(content.decode()))
        return [(max(1.0, float(row["step_number"]) + 1), float(row[column])) for row in rows]

    def _read(self, job: dict[str, Any], name: str) -> bytes | None:
        """An artifact's content; None while there is none, or where the caller may not read it."""
        bucket, _, prefix = job["outputDataConfig"]["s3Uri"].removeprefix("s3://").partition("/")
        key = artifacts.job_folder(prefix, job["jobArn"].rsplit("/", 1)[-1]) + name
        s3 = self._clients.s3
        try:
            content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "AccessDenied"):
                return None
            raise
        return content


def _over(job: dict[str, Any]) -> bool:
    return job["status"] not in UNFINISHED
