"""One training run from a plan to a sealed model: what the child process does between its first and last word."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Event, Finished
from outcrop.domain.plan import TrainingPlan
from outcrop.training.batches import Rows
from outcrop.training.loop import Material, train
from outcrop.training.pupil import prepare
from outcrop.training.vault import ModelFolder, read_token_rows


def run(plan: TrainingPlan, out: Path, keys: Sequence[bytes], tell: Callable[[Event], None]) -> Finished:
    """Trains as `plan` says and writes the sealed model into `out`; answers the last event once it is whole on disk.

    `keys`: the job's data key, then the parent's where the plan has one. Raises JobFailure.
    """
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    pupil = prepare(plan, _parent(plan, keys))
    finished = train(pupil.model, _material(plan, keys[0]), plan, tell)
    pupil.save(ModelFolder(out, plan.job_id, keys[0]))
    return finished


def _material(plan: TrainingPlan, key: bytes) -> Material:
    """The plan's rows, each set looked through before anything is trained."""
    training = Rows(read_token_rows(Path(plan.training_rows), plan.job_id, key)).require_trained("training")
    validation = tuple(
        Rows(read_token_rows(Path(path), plan.job_id, key)).require_trained("validation")
        for path in plan.validation_rows
    )
    return Material(training=training, validation=validation)


def _parent(plan: TrainingPlan, keys: Sequence[bytes]) -> ModelFolder | None:
    if plan.parent is None:
        return None
    if len(keys) < 2:
        raise JobFailure("The plan names a parent model, but no key for it was given.")
    folder = Path(plan.parent)
    return ModelFolder(folder, folder.name, keys[1])
