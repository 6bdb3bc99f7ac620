"""One training run from a plan to a sealed model: what the child process does between its first and last word."""

import gc
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from outcrop.domain.checkpoint_digest import digest_of
from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Event, Finished
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.probes import PROBES_FILE, Probes
from outcrop.modeling.model import CausalModel
from outcrop.training.adapter import AdapterData
from outcrop.training.batches import Rows
from outcrop.training.loop import Material, train
from outcrop.training.objectives import objective_named
from outcrop.training.probing import Answers, Probing, answers
from outcrop.training.pupil import Pupil, foundation, prepare, put_adapter
from outcrop.training.saver import Saver
from outcrop.training.shelf import Shelf
from outcrop.training.sources import BUFFER_BYTES, PieceBuffer
from outcrop.training.vault import ModelFolder, read_token_rows


def run(
    plan: TrainingPlan,
    out: Path,
    keys: Sequence[bytes],
    tell: Callable[[Event], None],
    checkpoints: Path | None = None,
) -> Finished:
    """Trains as `plan` says and writes the sealed model into `out`; answers the last event once it is whole on disk.

    `keys`: the job's data key, then the parent's where the plan has one. `checkpoints` is this attempt's own folder for
    them, named by a number that grows: it goes on from the newest whole one that it or a sibling holds. None: it keeps
    none. Raises JobFailure.
    """
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    material, folder = _material(plan, keys[0]), ModelFolder(out, plan.job_id, keys[0])
    probing = Probing.of((material.validation or (material.training,))[0])
    pupil = prepare(plan, _parent(plan, keys))
    with _saver(plan, checkpoints, keys[0], tell) as saver:
        finished = train(pupil.model, material, plan, tell, saver)
    left = _saved(pupil, folder, probing)
    del pupil
    folder.write(PROBES_FILE, _probes(left, plan, probing).to_json())
    return finished


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What is left of a pupil that was saved. `model`: its answers, unless they wait for the foundation checkpoint.

    `base`: the foundation checkpoint, where the pupil held it; else it is read again, when the pupil is gone: memory
    that held one model and its gradients holds one model more, not two. `whole`: it had whole weights of its own.
    """

    model: Answers | None
    adapter: AdapterData | None
    base: CausalModel | None
    whole: bool


def _saved(pupil: Pupil, folder: ModelFolder, probing: Probing) -> _Left:
    """The pupil's answers come first: to save it may merge its weights."""
    pupil.drop_gradients()
    model = None if pupil.plan.quantization else answers(pupil.model, probing.rows)
    pupil.save(folder)
    return _Left(model=model, adapter=pupil.adapter(), base=pupil.base(), whole=pupil.whole)


def _probes(left: _Left, plan: TrainingPlan, probing: Probing) -> Probes:
    """What trainer and engine must agree on. A model that was trained over 4 bits answers as it is served: over all."""
    gc.collect()  # what refers to itself goes too
    base = left.base or foundation(plan, left.whole)
    before, after = answers(base, probing.rows), left.model
    if after is None:
        assert left.adapter is not None
        put_adapter(base, left.adapter)
        after = answers(base, probing.rows)
    return probing.answered(before, after)


def _material(plan: TrainingPlan, key: bytes) -> Material:
    """The plan's rows, each set looked through before anything is trained; one buffer's bound is that of all."""
    require, buffer = objective_named(plan.objective).require, PieceBuffer(BUFFER_BYTES)

    def rows(path: str, name: str) -> Rows:
        return require(Rows(read_token_rows(Path(path), plan.job_id, key, buffer)), name)

    training = rows(plan.training_rows, "training")
    return Material(training=training, validation=tuple(rows(path, "validation") for path in plan.validation_rows))


def _saver(
    plan: TrainingPlan, folder: Path | None, key: bytes, tell: Callable[[Event], None]
) -> AbstractContextManager[Saver | None]:
    if folder is None:
        return nullcontext()
    shelf = Shelf(folder=folder, job_id=plan.job_id, plan_digest=plan_digest(plan), key=key)
    return Saver(shelf, plan, tell)


def plan_digest(plan: TrainingPlan) -> str:
    """What checkpoints are bound to: the plan, and the base by its digest.

    Not by times: a folder that was copied to where the job goes on holds the same base.
    """
    return hashlib.sha256(f"{plan.digest()}/{digest_of(Path(plan.base_checkpoint))}".encode()).hexdigest()


def _parent(plan: TrainingPlan, keys: Sequence[bytes]) -> ModelFolder | None:
    if plan.parent is None:
        return None
    if len(keys) < 2:
        raise JobFailure("The plan names a parent model, but no key for it was given.")
    folder = Path(plan.parent)
    return ModelFolder(folder, folder.name, keys[1])
