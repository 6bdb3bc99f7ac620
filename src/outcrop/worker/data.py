"""A job's files: checked as its role sees them, reported beside its output, prepared as sealed token rows.

Knows nothing of training. A message names place and rule, never a row's text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from outcrop import corpus, families
from outcrop.corpus import CheckOptions
from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import TrainingPlan
from outcrop.families import Checkpoint, CustomizationType, FoundationModel, RecordFormat
from outcrop.prepared.folder import PreparedFolder
from outcrop.prepared.manifest import Manifest
from outcrop.store.jobs import Job
from outcrop.store.objects import ObjectRecord
from outcrop.worker import artifacts
from outcrop.worker.access import Place, RoleAccess
from outcrop.worker.findings import Findings, Look
from outcrop.worker.ground import WorkerGround
from outcrop.worker.preparing import Source, digest, prepare
from outcrop.worker.renderers import Crew, cores
from outcrop.worker.rendering import Recipe

Check = Callable[[], None]
Seen = Mapping[Place, ObjectRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRows:
    """Folders of prepared rows, ready for a job's training child, and what was counted in each."""

    training: Path
    validation: tuple[Path, ...]
    summary: Manifest
    validation_summaries: tuple[Manifest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a job reads, and where it writes: `prefix` as the request names it, `output` the job's own folder there."""

    job_id: str
    access: RoleAccess
    training: Place
    validation: tuple[Place, ...]
    prefix: Place
    output: Place
    crew: Crew

    @classmethod
    def of(cls, ground: WorkerGround, job: Job) -> "Sources":
        """The places that a job's request names, seen through its role."""
        model, checkpoint = base_of(ground, job)
        kind = kind_of(job)
        hyperparameters = families.check_hyperparameters(model, kind, job.hyperparameters)
        validators = job.validation_data.get("validators", [])
        recipe = Recipe(
            checkpoint=str(checkpoint.path),
            rules=families.record_format(model, kind, hyperparameters.batch_size),
            context_tokens=checkpoint.context_tokens,
            moment=job.created_at,  # the same at every attempt
        )
        return cls(
            job_id=job.id,
            access=access_of(ground, job),
            training=Place.of(job.training_data["s3Uri"]),
            validation=tuple(Place.of(validator["s3Uri"]) for validator in validators),
            prefix=Place.of(job.output_data["s3Uri"]),
            output=output_of(job),
            crew=Crew(
                recipe=recipe,
                tokenizer=recipe.tokenizer(),
                count=cores(),
                records=ground.settings.processes_folder,
                log=ground.job_log(job.id),
            ),
        )

    @property
    def rules(self) -> RecordFormat:
        """What the files' records must be."""
        return self.crew.recipe.rules

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

    def write_rows(self, prepared: Path, key: bytes, seen: Seen, check: Check) -> WrittenRows:
        """Every record rendered once, as it will be trained, into sealed sets below `prepared`.

        What an earlier attempt made there is used. The objects must be those seen. Raises JobFailure.
        """

        def write(place: Place) -> tuple[Path, Manifest]:
            with self.access.open(place, seen[place]) as (file, record):
                folder = PreparedFolder(prepared / digest(self.crew.recipe, record), self.job_id, key)
                source = Source(file=file, name=place.file_name, record=record)
                return folder.path, prepare(source, folder, self.crew, check)

        training, summary = write(self.training)
        validation = [write(place) for place in self.validation]
        return WrittenRows(
            training=training,
            validation=tuple(path for path, _ in validation),
            summary=summary,
            validation_summaries=tuple(counted for _, counted in validation),
        )

    def _look(self, place: Place, part: Literal["training", "validation"], check: Check) -> Look:
        recipe = self.crew.recipe
        options = CheckOptions(
            part=part,
            tokenizer=self.crew.tokenizer,
            context_tokens=recipe.context_tokens,
            on_chunk=lambda _: check(),
        )
        try:
            with self.access.open(place) as (file, record):
                report = corpus.check(file, place.file_name, self.rules, options)
                return Look(place=place, report=report, record=record)
        except JobFailure as failure:
            return Look(place=place, unreadable=str(failure))


def are_whole(plan: TrainingPlan, key: bytes, check: Check) -> bool:
    """Whether the rows that an earlier attempt prepared can be trained: one that is damaged is made again."""
    for path in {plan.training_rows, *plan.validation_rows}:
        if not PreparedFolder(Path(path), plan.job_id, key).is_whole(check):
            return False
    return True


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
    return RoleAccess(objects=ground.objects, job=job, clock=ground.clock)


def output_of(job: Job) -> Place:
    """The job's own folder below the output that its request names."""
    prefix = Place.of(job.output_data["s3Uri"])
    return Place(prefix.bucket, artifacts.job_folder(prefix.key, job.id))
