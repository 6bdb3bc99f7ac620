"""Whether a custom model's engine holds the weights that the model was trained on. Knows nothing of how they are told.

An adapter over other weights answers fluently and wrong: nothing but the digest shows it.
"""

from pathlib import Path

import sqlalchemy as sa

from outcrop.domain.checkpoint_digest import told
from outcrop.store import engines
from outcrop.store.models import CustomModel


def other_weights(connection: sa.Connection, model: CustomModel) -> str | None:
    """A sentence where the engine of the model's checkpoint holds other weights, with both digests and the mends."""
    held = engines.held_digest(connection, Path(model.checkpoint))
    if held is None or not differs(model, held):
        return None
    return (
        f"{changed(model, held)} Put the former files back and restart Outcrop, or train the model again on the "
        "present ones."
    )


def differs(model: CustomModel, digest: str) -> bool:
    """Whether a digest is not that of the model's checkpoint. A model from before digests were kept fits any."""
    return model.checkpoint_digest not in (None, digest)


def changed(model: CustomModel, now: str) -> str:
    """What to say of a model whose checkpoint has another digest now."""
    assert model.checkpoint_digest is not None, "a model without a digest fits any"
    return (
        f"The custom model {model.name} was trained on other weights than those in {model.checkpoint}: they were "
        f"{told(model.checkpoint_digest)} and are now {told(now)}."
    )
