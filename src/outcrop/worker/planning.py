"""From a job's row to the plan of its training child. Knows nothing of how the child works."""

import os
from dataclasses import dataclass, replace

from outcrop import families
from outcrop.config import Settings
from outcrop.domain.checkpoint_digest import digest_of
from outcrop.domain.errors import Fault, JobFailure
from outcrop.domain.plan import Objective, TrainingPlan
from outcrop.families import Checkpoint, CustomizationType, FoundationModel, Hyperparameters
from outcrop.store import models
from outcrop.store.jobs import Job
from outcrop.store.models import CustomModel
from outcrop.store.trained_on import changed, differs
from outcrop.worker import machine
from outcrop.worker.data import WrittenRows, base_of, kind_of
from outcrop.worker.engine_kinds import require_serves_whole_weights
from outcrop.worker.ground import WorkerGround, key_context
from outcrop.worker.precision import Hardware, choose

OBJECTIVES: dict[str, Objective] = {
    families.FINE_TUNING: "fine_tuning",
    families.CONTINUED_PRE_TRAINING: "continued_pre_training",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for, as far as it does not depend on data."""

    model: FoundationModel
    checkpoint: Checkpoint
    kind: CustomizationType
    hyperparameters: Hyperparameters


def make_plan(ground: WorkerGround, job: Job, rows: WrittenRows, place: machine.Place | None = None) -> TrainingPlan:
    """What the child is to do: the family's hyperparameters in the checkpoint's terms.

    `place`: where this machine is measured, if it has to be.
    """
    model, checkpoint = base_of(ground, job)
    stated = families.check_hyperparameters(model, kind_of(job), job.hyperparameters)
    parent = parent_of(ground, job)
    asked = Asked(model=model, checkpoint=checkpoint, kind=kind_of(job), hyperparameters=stated)
    whole = parent is not None and ground.settings.whole_weights_file(parent.job_id).exists()
    plan = plan_of(ground.settings, asked, whole_parent=whole, place=place)
    if plan.lora is None or whole:
        require_serves_whole_weights(plan.base_checkpoint, ground.settings)
    return replace(
        plan,
        job_id=job.id,
        training_rows=str(rows.training),
        validation_rows=tuple(str(path) for path in rows.validation),
        truncated_rows=rows.summary.truncated_rows,
        skipped_rows=rows.summary.skipped_rows,
        empty_answers=rows.summary.empty_answers,
        parent=None if parent is None else str(ground.model_folder(parent.job_id)),
    )


def plan_of(
    settings: Settings, asked: Asked, *, whole_parent: bool = False, place: machine.Place | None = None
) -> TrainingPlan:
    """What any job with these hyperparameters does, before it has rows, a parent and a name.

    `whole_parent`: it goes on from whole weights, which stay float32, as all that are in a result do.
    """
    stated, checkpoint = asked.hyperparameters, asked.checkpoint
    applied = checkpoint.applied(asked.model, stated)
    exact = applied.lora is None or whole_parent
    return TrainingPlan(
        job_id="",
        objective=OBJECTIVES[asked.kind],
        base_checkpoint=str(checkpoint.path),
        training_rows="",
        epochs=stated.epoch_count,
        batch_size=stated.batch_size,
        learning_rate=applied.learning_rate,
        warmup_steps=applied.warmup_steps,
        schedule=applied.schedule,
        early_stopping=stated.early_stopping,
        validate_every_steps=stated.validate_every_steps,
        keep_best=stated.early_stopping is not None if stated.keep_best is None else stated.keep_best,
        lora=applied.lora,
        quantization=applied.quantization,
        precision=stated.precision or choose(checkpoint, hardware(settings, place), exact),
        seed=stated.seed,
        generation_sample=stated.generation_sample,
        checkpoint_every_s=stated.checkpoint_every_s,
        threads=threads(settings),
    )


def hardware(settings: Settings, place: machine.Place | None = None) -> Hardware:
    """What a training child will compute on: asked once of a process with torch, as for estimates."""
    return Hardware.of(machine.here(settings.machine_file, threads(settings), place).card)


def threads(settings: Settings) -> int:
    """How many threads a training child computes on: its share of the processors."""
    return max(1, (os.cpu_count() or 1) // settings.job_slots)


def parent_of(ground: WorkerGround, job: Job) -> CustomModel | None:
    """The custom model that a job continues. Raises JobFailure where it cannot be continued (any more)."""
    if job.parent_id is None:
        return None
    with ground.database.read() as connection:
        parent = models.by_id(connection, job.parent_id)
    if parent is None or parent.deleted_at is not None:
        raise JobFailure("The custom model that this job continues was deleted.")
    model, checkpoint = base_of(ground, job)
    if parent.checkpoint != str(checkpoint.path):
        raise JobFailure(
            f"The custom model {parent.name}, which this job continues, was trained on the checkpoint "
            f"{parent.checkpoint}; {model.model_id} now means {checkpoint.path}. Map it back, or train from "
            f"{model.model_id} itself."
        )
    now = digest_of(checkpoint.path)
    if differs(parent, now):
        raise JobFailure(f"{changed(parent, now)} Put the former files back, or train from {model.model_id} itself.")
    return parent


def parent_key(ground: WorkerGround, job: Job) -> list[bytes]:
    """The parent's data key, where the job has a parent. Raises JobFailure where it does not open."""
    parent = parent_of(ground, job)
    if parent is None:
        return []
    assert parent.data_key is not None, "a model is made with the key of its job"
    try:
        return [ground.keys.unwrap(parent.data_key, key_context(parent.job_id))]
    except Fault as fault:
        raise JobFailure(f"The KMS key of the custom model {parent.name} cannot be used: {fault.message}") from fault
