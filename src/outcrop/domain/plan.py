"""What a training child is asked to do: plain data, written as JSON. Holds no key and no secret."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

Objective = Literal["fine_tuning", "continued_pre_training"]

ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraPlan:
    """A low-rank adapter in PEFT's terms: the update is B A x (alpha / rank)."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ALL_LINEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopping:
    """Stop when validation loss has not fallen by `threshold` for `patience` epochs."""

    threshold: float
    patience: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """One training run. Paths are absolute; every file but the base checkpoint's is sealed under the job's data key.

    `lora` is None for full fine-tuning. `parent` is a sealed model folder of the same base, or None.
    `learning_rate` is the one applied (already translated for the checkpoint).
    """

    job_id: str
    objective: Objective
    base_checkpoint: str
    training_rows: str
    validation_rows: tuple[str, ...] = ()
    parent: str | None = None
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 0
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    early_stopping: EarlyStopping | None = None
    lora: LoraPlan | None = LoraPlan()
    seed: int = 0
    threads: int = 1

    def to_json(self) -> str:
        """The plan as one JSON object."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def from_json(text: str) -> "TrainingPlan":
        """The plan that `to_json` wrote; an unknown member is an error."""
        raw: dict[str, Any] = json.loads(text)
        lora, early = raw.pop("lora"), raw.pop("early_stopping")
        if lora is not None:
            lora = LoraPlan(**{**lora, "targets": tuple(lora["targets"])})
        return TrainingPlan(
            **{**raw, "validation_rows": tuple(raw["validation_rows"])},
            lora=lora,
            early_stopping=EarlyStopping(**early) if early else None,
        )
