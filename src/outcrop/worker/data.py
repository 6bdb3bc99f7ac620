"""A job's files: checked as its role sees them, reported beside its output, written as sealed token rows.

Knows nothing of training. A message names place and rule, never a row's text.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from outcrop import corpus, families
from outcrop.corpus import CheckOptions
from outcrop.domain.errors import JobFailure
from outcrop.families import Checkpoint, CustomizationType, FoundationModel, RecordFormat
from outcrop.sealed import SealedWriter
from outcrop.store.jobs import Job
from outcrop.store.objects import ObjectRecord
from outcrop.text import Rendered, Tokenizer
from outcrop.text.rows import RowsSummary, write_rows
from outcrop.worker import artifacts
from outcrop.worker.access import Place, RoleAccess
from outcrop.worker.findings import Findings, Look
from outcrop.worker.ground import WorkerGround

Check = Callable[[], None]
Seen = Mapping[Place, ObjectRecord]
ROWS_A_CHECK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRows:
    """Sealed token rows of a job, ready for its training child."""

    training: Path
    validation: tuple[Path, ...]
    summary: RowsSummary
    validation_summaries: tuple[RowsSummary, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a job reads, and where it writes: `prefix` as the request names it, `output` the job's own folder there."""

    job_id: str
    access: RoleAccess
    training: Place
    validation: tuple[Place, ...]
    prefix: Place
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
        validators = job.validation_data.get("validators", [])
        return cls(
            job_id=job.id,
            access=access_of(ground, job),
            training=Place.of(job.training_data["s3Uri"]),
            validation=tuple(Place.of(validator["s3Uri"]) for validator in validators),
            prefix=Place.of(job.output_data["s3Uri"]),
            output=output_of(job),
            rules=families.record_format(model, kind, hyperparameters.batch_size),
            checkpoint=checkpoint,
            tokenizer=Tokenizer.load(checkpoint.path),
        )

    def check(self, check: Check) -> Seen:
        """Every rule on every row of every file; answers what was read. Raises JobFailure.

        The whole report is written first, so that it lies beside the output of a job that fails, too.
        """
        self.access.probe_write(self.prefix)
        training = self._look(self.training, "training", check)
        validation = tuple(self._look(place, "validation", check) for place in self.validation)
        findings = Findings(training=training, validation=validation, rules=self.rules)
        report = self.output.below(artifacts.REPORT_FILE)
        self.access.put(report, findings.to_json(), "application/json")
        failure = findings.failure_message(report)
        if failure is not None:
            raise JobFailure(failure)
        return {look.place: look.record for look in (training, *validation) if look.record is not None}

    def write_rows(self, folder: Path, key: bytes, seen: Seen, check: Check) -> WrittenRows:
        """Render every record once, as it will be trained, into sealed files. The objects must be those seen."""

        def write(place: Place, name: str) -> tuple[Path, RowsSummary]:
            context = f"job/{self.job_id}/{name}".encode()
            with (
                self.access.open(place, seen[place]) as (file, _),
                SealedWriter(folder / name, key, context) as writer,
            ):
                return folder / name, write_rows(self._rendered(place, file, check), writer)

        training, summary = write(self.training, "training.rows")
        numbered = enumerate(self.validation)
        validation = [write(place, f"validation-{number}.rows") for number, place in numbered]
        return WrittenRows(
            training=training,
            validation=tuple(path for path, _ in validation),
            summary=summary,
            validation_summaries=tuple(counted for _, counted in validation),
        )

    def _look(self, place: Place, part: Literal["training", "validation"], check: Check) -> Look:
        options = CheckOptions(
            part=part,
            tokenizer=self.tokenizer,
            context_tokens=self.checkpoint.context_tokens,
            on_chunk=lambda _: check(),
        )
        try:
            with self.access.open(place) as (file, record):
                return Look(place=place, report=corpus.check(file, place.file_name, self.rules, options), record=record)
        except JobFailure as failure:
            return Look(place=place, unreadable=str(failure))

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


def access_of(ground: WorkerGround, job: Job) -> RoleAccess:
    """What the job's role may read and write."""
    return RoleAccess(objects=ground.objects, job=job)


def output_of(job: Job) -> Place:
    """The job's own folder below the output that its request names."""
    prefix = Place.of(job.output_data["s3Uri"])
    return Place(prefix.bucket, artifacts.job_folder(prefix.key, job.id))
