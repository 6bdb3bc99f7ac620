"""Whether a model that is yet to be trained will fit where it is handed to its engine. Knows nothing of engines.

Said before the training: a job that has trained for hours must not fail for want of some megabytes.
"""

import time
from collections.abc import Callable
from pathlib import Path

from outcrop.domain.errors import JobFailure
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.worker import handover
from outcrop.worker.estimating import shape_of

STORED_BYTES = 4  # models are written in float32
LIMIT_S = 30.0  # others' models are there for the moment in which an engine loads them
POLL_S = 0.1
WEIGHTS_FILES = ("adapter_model.safetensors", "model.safetensors")


def require_room(run_folder: Path, plan: TrainingPlan, check: Callable[[], None]) -> None:
    """Raises JobFailure where the plan's model will find no room. `check` is called meanwhile."""
    shape = shape_of(Path(plan.base_checkpoint))
    if shape is not None:  # else its size is known when it is there
        await_room(run_folder, least_bytes(shape, plan), check)


def await_room(run_folder: Path, needed: int, check: Callable[[], None]) -> None:
    """Returns as soon as there is room for so many bytes. Raises JobFailure where there is none for long."""
    give_up = time.monotonic() + LIMIT_S
    while True:
        check()
        try:
            return handover.require_room(run_folder, needed)
        except handover.NoRoom as full:
            if time.monotonic() >= give_up:
                raise JobFailure(f"The model cannot be handed to its serving engine: {full}") from full
        time.sleep(POLL_S)


def least_bytes(shape: ModelShape, plan: TrainingPlan) -> int:
    """What the plan's model takes in the clear, at least: one that is folded with its parent's adapter takes more."""
    parent = [] if plan.parent is None else [Path(plan.parent, name) for name in WEIGHTS_FILES]
    inherited = max((file.stat().st_size for file in parent if file.exists()), default=0)
    own = shape.weights * STORED_BYTES if plan.lora is None else adapter_bytes(shape, plan.lora)
    return max(own, inherited)


def adapter_bytes(shape: ModelShape, lora: LoraPlan) -> int:
    """What an adapter takes in the clear."""
    return shape.adapter_weights(lora.rank, lora.targets) * STORED_BYTES
