"""A job's files: checked as its role sees them, reported beside its output, written as sealed token rows.

Knows nothing of training. A message names place and rule; only the report, which is sealed like every object, is whole.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from outcrop import corpus, families
from outcrop.corpus import CheckOptions, Problem, Report
from outcrop.domain.errors import JobFailure
from outcrop.families import Checkpoint, CustomizationType, FoundationModel, RecordFormat
from outcrop.sealed import SealedWriter
from outcrop.store import identities
from outcrop.store.jobs import Job
from outcrop.text import Rendered, Tokenizer
from outcrop.text.rows import RowsSummary, write_rows
from outcrop.worker import artifacts
from outcrop.worker.access import Place, RoleAccess
from outcrop.worker.ground import WorkerGround

Check = Callable[[], None]
ROWS_A_CHECK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRows:
    """Sealed token rows of a job, ready for its training child."""

    training: Path
    validation: tuple[Path, ...]
    summary: RowsSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a job reads, and where it writes."""

    job_id: str
    access: RoleAccess
    training: Place
    validation: tuple[Place, ...]
    output: Place
    rules: RecordFormat
    checkpoint: Checkpoint
    tokenizer: Tokenizer

    @classmethod
    def of(cls, ground: WorkerGround, job: Job) -> "Sources":
        """The places that a job's request names, seen through its role."""
        model, checkpoint = base_of(ground, job)
        kind = kind_of(job)
        hyperparameters = families.check_hyperparameters(model, kind, job.hyperparameters)
        out = Place.of(job.output_data["s3Uri"])
        validators = job.validation_data.get("validators", [])
        return cls(
            job_id=job.id,
            access=_access(ground, job),
            training=Place.of(job.training_data["s3Uri"]),
            validation=tuple(Place.of(validator["s3Uri"]) for validator in validators),
            output=Place(out.bucket, artifacts.job_folder(out.key, job.id)),
            rules=families.record_format(model, kind, hyperparameters.batch_size),
            checkpoint=checkpoint,
            tokenizer=Tokenizer.load(checkpoint.path),
        )

    def check(self, check: Check) -> None:
        """Every rule on every row of every file; the report is written in any case. Raises JobFailure."""
        self.access.probe_write(self.output)
        training = self._report(self.training, "training", check)
        validation = [self._report(place, "validation", check) for place in self.validation]
        together = corpus.check_together(training, validation, self.rules)
        self._write_report([training, *validation], together, corpus.leakage(training, validation))
        for report in (training, *validation):
            if not report.ok:
                raise JobFailure(report.failure_message())
        if together:
            raise JobFailure(" ".join(str(problem) for problem in together))

    def write_rows(self, folder: Path, key: bytes, check: Check) -> WrittenRows:
        """Render every record once, as it will be trained, into sealed files."""
        summary, training = self._write(self.training, folder / "training.rows", key, check)
        validation = [
            self._write(place, folder / f"validation-{number}.rows", key, check)[1]
            for number, place in enumerate(self.validation)
        ]
        return WrittenRows(training=training, validation=tuple(validation), summary=summary)

    def _report(self, place: Place, part: Literal["training", "validation"], check: Check) -> Report:
        options = CheckOptions(
            part=part,
            tokenizer=self.tokenizer,
            context_tokens=self.checkpoint.context_tokens,
            on_chunk=lambda _: check(),
        )
        with self.access.open(place) as file:
            return corpus.check(file, place.file_name, self.rules, options)

    def _write_report(self, reports: list[Report], together: list[Problem], leaks: "list[corpus.Warning_]") -> None:
        content = {
            "files": [report.to_dict() for report in reports],
            "together": [str(problem) for problem in together],
            "warnings": [str(leak) for leak in leaks],
        }
        place = Place(self.output.bucket, self.output.key + artifacts.REPORT_FILE)
        self.access.put(place, json.dumps(content, indent=1).encode(), "application/json")

    def _write(self, place: Place, path: Path, key: bytes, check: Check) -> tuple[RowsSummary, Path]:
        context = f"job/{self.job_id}/{path.name}".encode()
        with self.access.open(place) as file, SealedWriter(path, key, context) as writer:
            return write_rows(self._rendered(place, file, check), writer), path

    def _rendered(self, place: Place, file: IO[bytes], check: Check) -> Iterator[Rendered]:
        limit = self.checkpoint.context_tokens
        for number, record in enumerate(corpus.read(file, self.rules), start=1):
            if number % ROWS_A_CHECK == 0:
                check()
            rendered = self.tokenizer.render(record).cut(limit)
            if not rendered.trained_count:
                raise JobFailure(
                    f"{place.file_name}:{number}: nothing of the record is left to learn once it is cut to the "
                    f"{limit} tokens that the checkpoint takes; shorten its prompt."
                )
            yield rendered


def base_of(ground: WorkerGround, job: Job) -> tuple[FoundationModel, Checkpoint]:
    """The foundation model that a job customizes, and the checkpoint behind it."""
    catalogue = ground.catalogue()
    model = catalogue.find_model(job.base_model_id)
    if model is None:
        raise JobFailure(f"The base model {job.base_model_id} is no longer in the catalogue.")
    return model, catalogue.checkpoint_for(model.model_id)


def kind_of(job: Job) -> CustomizationType:
    """What kind of customization it is: the service let no other pass."""
    return cast(CustomizationType, job.customization_type)


def _access(ground: WorkerGround, job: Job) -> RoleAccess:
    name = job.role_arn.rsplit("/", 1)[-1]
    with ground.database.read() as connection:
        documents = identities.role_documents(connection, name)
    return RoleAccess(objects=ground.objects, role_arn=job.role_arn, account=job.account, documents=documents)
