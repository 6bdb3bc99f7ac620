"""What a training child is asked to do: plain data, written as JSON. Holds no key and no secret."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, Literal

from outcrop.domain.machine import Precision

Objective = Literal["fine_tuning", "continued_pre_training"]

CHECKPOINT_EVERY_S = 30.0  # what a kill costs where saving is cheap, and one is paid for every run of a minute
# How a run is carried out, not what it computes: a checkpoint outlives a change of these.
_OF_THE_CARRYING_OUT = ("threads", "recompute", "checkpoint_every_s", "checkpoint_every_steps", "generation_sample")

ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraPlan:
    """A low-rank adapter in PEFT's terms: the update is B A x (alpha / rank).

    ALL_LINEAR as `targets` means all linear layers but the head, whatever the architecture calls its own.
    """

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
    `learning_rate` is the one applied (already translated for the checkpoint). `quantization` says how the frozen
    weights are kept while an adapter is trained (QLoRA: "nf4"), None: as they are. `precision` is the type that layers
    are computed in; what is trained and what is summed up stay float32. `recompute`: layers keep only what enters them
    and are computed again for the backward pass, which costs time, saves memory and changes no number.
    Of the training file `truncated_rows` were cut to what the checkpoint takes, `skipped_rows` lines were no record,
    and `empty_answers` rows have one.
    Validation comes at every epoch's end, and after every `validate_every_steps` steps where that is given;
    `keep_best` saves the best state that was validated in place of the last. A checkpoint is due every
    `checkpoint_every_s` seconds, or after every `checkpoint_every_steps` steps where that is given. The trained model
    and its base are to answer `generation_sample` validation rows.
    """

    job_id: str
    objective: Objective
    base_checkpoint: str
    training_rows: str
    validation_rows: tuple[str, ...] = ()
    truncated_rows: int = 0
    skipped_rows: int = 0
    empty_answers: int = 0
    parent: str | None = None
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 0
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    early_stopping: EarlyStopping | None = None
    validate_every_steps: int | None = None
    keep_best: bool = False
    lora: LoraPlan | None = LoraPlan()
    quantization: Literal["nf4"] | None = None
    precision: Precision = "float32"
    seed: int = 0
    generation_sample: int = 0
    recompute: bool = False
    threads: int = 1
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    checkpoint_every_steps: int | None = None

    def digest(self) -> str:
        """What the run computes, as SHA-256 in hex: a checkpoint of another digest is another run's.

        Rows go in by their files' names, so that a home may be moved; threads, recomputing, the checkpoints' pace and
        what is asked of the model afterwards stay out.
        """
        said = {name: value for name, value in asdict(self).items() if name not in _OF_THE_CARRYING_OUT}
        paths = ("training_rows", *(["parent"] if self.parent else []))
        said |= {name: PurePath(said[name]).name for name in paths}
        said["validation_rows"] = [PurePath(path).name for path in self.validation_rows]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

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
