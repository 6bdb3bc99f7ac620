"""How a peer tells its steps: one JSON line each, with what went through the model. Runs in the peers' environments."""

import json
import os
import sys
from typing import Any

from transformers import Trainer, TrainerCallback


class Steps(TrainerCallback):
    """Counts what each step computes, and tells it at the step's end on what was standard output.

    Everything else that the libraries print goes to standard error. `computed` counts padding, `real` does not.
    """

    def __init__(self) -> None:
        self._events = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._loss = 0.0
        self._counts: dict[str, int] = {}

    def count(self, trainer: type[Trainer]) -> None:
        """Looks at every batch that `trainer` takes and at the loss it answers."""
        train = trainer.training_step

        def training_step(itself: Trainer, model: Any, inputs: dict[str, Any], *more: Any, **named: Any) -> Any:
            counts = count(inputs)
            loss = train(itself, model, inputs, *more, **named)
            self._loss, self._counts = float(loss), counts
            return loss

        trainer.training_step = training_step

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """The optimizer has moved."""
        self._events.write(json.dumps({"event": "Step", "loss": self._loss, **self._counts}) + "\n")


def count(inputs: dict[str, Any]) -> dict[str, int]:
    """Tokens and examples of a batch, padded or packed."""
    labels, mask = inputs["labels"], inputs.get("attention_mask")
    computed = inputs["input_ids"].numel()
    if mask is None:  # packed: every example's positions begin at 0
        real, examples = computed, int((inputs["position_ids"] == 0).sum())
    elif mask.ndim == 2:
        real, examples = int((mask > 0).sum()), mask.shape[0]
    else:  # a mask of pairs: a real token sees itself, an example's first token sees nothing before it
        seen = (mask[:, 0] >= 0) if mask.is_floating_point() else mask[:, 0]
        itself = seen.diagonal(dim1=1, dim2=2)
        before = seen.diagonal(offset=-1, dim1=1, dim2=2)
        real = int(itself.sum())
        examples = real - int((itself[:, 1:] & before).sum())
    return {
        "computed": computed,
        "real": real,
        "trained": int((labels[..., 1:] != -100).sum()),
        "examples": examples,
    }
