"""Hyperparameters: what a family takes, and reading what was sent (always strings). Knows no family by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from outcrop.domain.errors import ValidationException
from outcrop.domain.machine import Precision
from outcrop.domain.plan import ALL_LINEAR, CHECKPOINT_EVERY_S, EarlyStopping

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
# No number that anybody means is longer; Python refuses to read integers of many thousand digits.
_LONGEST_NUMBER = 40

Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameter:
    """One row of a family's table. `default` None: it has an effect only where it is sent.

    A "choice" is one of `choices`; "names" are several of them, each once.
    """

    name: str
    kind: Literal["int", "float", "choice", "names"]
    minimum: Number = 0
    maximum: Number = 0
    default: Number | str | None
    sentence: str
    choices: tuple[str, ...] = ()

    @property
    def range_text(self) -> str:
        """The range in words: `an integer from 1 to 5`."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "names":
            return "some of " + ",".join(self.choices) + ", separated by commas"
        noun = "an integer" if self.kind == "int" else "a number"
        if self.minimum == self.maximum:
            return f"{self.minimum}"
        return f"{noun} from {_plain(self.minimum)} to {_plain(self.maximum)}"

    def read(self, sent: str) -> Number | str | None:
        """The value that a string states, or None where it is not one in range."""
        if self.kind == "choice":
            return sent if sent in self.choices else None
        if self.kind == "names":
            names = [name.strip() for name in sent.split(",")]
            return ",".join(names) if set(names) <= set(self.choices) and len(set(names)) == len(names) else None
        pattern = _INTEGER if self.kind == "int" else _FLOAT
        if len(sent) > _LONGEST_NUMBER or not pattern.fullmatch(sent):
            return None
        value = int(sent) if self.kind == "int" else float(sent)
        return value if self.minimum <= value <= self.maximum else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """A job's hyperparameters, typed, defaults filled in. `stated` is what Get answers.

    `learning_rate` is in the family's own terms, as a card of a checkpoint knows it; times `learning_rate_unit` it is a
    rate (Claude's table has multipliers). None for `lora_rank`, `lora_alpha` and `lora_targets` leaves the choice to
    the checkpoint; None for `keep_best` means: where the job may stop early; for `precision`: as the
    machine has it.
    """

    epoch_count: int
    batch_size: int
    learning_rate: float
    learning_rate_unit: float = 1.0
    warmup_steps: int = 0
    early_stopping: EarlyStopping | None = None
    method: Literal["lora", "qlora", "full"] = "lora"
    lora_rank: int | None = None
    lora_alpha: int | None = None
    lora_targets: tuple[str, ...] | None = None
    lora_dropout: float = 0.0
    validate_every_steps: int | None = None
    keep_best: bool | None = None
    checkpoint_every_s: float = CHECKPOINT_EVERY_S
    precision: Precision | None = None
    seed: int = 0
    generation_sample: int = 0
    stated: dict[str, str] = field(default_factory=dict)


OUTCROPS_OWN = (
    Hyperparameter(
        name="outcrop.method",
        kind="choice",
        choices=("lora", "qlora", "full"),
        default=None,
        sentence=(
            "lora trains a low-rank adapter (the default); qlora does so over frozen weights in 4 bits, which needs "
            "a quarter of the memory for them (pip install 'outcrop[qlora]'); full trains every weight."
        ),
    ),
    Hyperparameter(
        name="outcrop.loraRank",
        kind="int",
        minimum=1,
        maximum=256,
        default=None,
        sentence="The adapter's rank; unset, the checkpoint's own choice. Alpha grows with it unless that is sent too, "
        "and a pebble's card says how the learning rate goes with both.",
    ),
    Hyperparameter(
        name="outcrop.loraAlpha",
        kind="int",
        minimum=1,
        maximum=1024,
        default=None,
        sentence="The adapter's scale is alpha / rank; unset, the checkpoint's own choice.",
    ),
    Hyperparameter(
        name="outcrop.loraTargets",
        kind="names",
        choices=ALL_LINEAR,
        default=None,
        sentence="The linear layers that get an adapter, by Llama's names; unset, all of them. A job on a checkpoint "
        "that calls its layers otherwise fails before its first step and names those that there are.",
    ),
    Hyperparameter(
        name="outcrop.loraDropout",
        kind="float",
        minimum=0,
        maximum=0.5,
        default=None,
        sentence="The share of an adapter's inputs that each step leaves out; unset, none.",
    ),
    Hyperparameter(
        name="outcrop.validateEverySteps",
        kind="int",
        minimum=1,
        maximum=1_000_000,
        default=None,
        sentence="Validation after every so many steps, beside that at the end of each epoch; needs a validator.",
    ),
    Hyperparameter(
        name="outcrop.keepBest",
        kind="choice",
        choices=("true", "false"),
        default=None,
        sentence="true saves the state with the lowest validation loss (the first validator's, which it needs), false "
        "the last; unset, true where the job may stop early.",
    ),
    Hyperparameter(
        name="outcrop.checkpointEverySeconds",
        kind="int",
        minimum=1,
        maximum=86_400,
        default=None,
        sentence="So many seconds of training after a checkpoint the next is due, or later where saving would take "
        f"more than a fiftieth of the time: what a kill costs. Unset, {CHECKPOINT_EVERY_S:.0f}.",
    ),
    Hyperparameter(
        name="outcrop.generationSample",
        kind="int",
        minimum=0,
        maximum=64,
        default=None,
        sentence="After fine-tuning base and custom model answer so many rows of the first validator, which it needs, "
        "and are scored; unset, none.",
    ),
    Hyperparameter(
        name="outcrop.precision",
        kind="choice",
        choices=("auto", "float32", "bfloat16"),
        default=None,
        sentence="The type that layers are computed in; what is trained and summed stays float32. Unset or auto: "
        "bfloat16 on a card that torch sees, and for a large Llama on a CPU that multiplies it in hardware; else "
        "float32. Whole weights of other architectures than Llama train in float32 only.",
    ),
    Hyperparameter(
        name="outcrop.seed",
        kind="int",
        minimum=0,
        maximum=2**31 - 1,
        default=None,
        sentence="Two jobs with the same data, settings and seed see their rows in the same order.",
    ),
)


def resolve(table: Sequence[Hyperparameter], sent: Mapping[str, str], whose: str) -> dict[str, Number | str]:
    """Values by name, defaults filled in. Raises ValidationException that names every problem at once."""
    known = {row.name: row for row in (*table, *OUTCROPS_OWN)}
    problems = [_problem(known.get(name), name, text, table, whose) for name, text in sent.items()]
    found = [problem for problem in (*problems, _contradiction(sent)) if problem]
    if found:
        raise ValidationException(" ".join(found))
    values = {row.name: row.read(sent[name]) if (name := row.name) in sent else row.default for row in known.values()}
    return {name: value for name, value in values.items() if value is not None}


def stated(table: Sequence[Hyperparameter], sent: Mapping[str, str]) -> dict[str, str]:
    """What Get answers: what was sent as it was sent, and the family's defaults."""
    defaults = {row.name: _plain(row.default) for row in table if row.default is not None}
    return {**defaults, **sent}


def _problem(
    row: Hyperparameter | None, name: str, text: str, table: Sequence[Hyperparameter], whose: str
) -> str | None:
    if row is None:
        takes = "; ".join(f"{each.name}: {each.range_text}" for each in table)
        return f"hyperParameters: {_shown(name)} is not a hyperparameter of {whose}. It takes {takes}."
    if row.read(text) is None:
        return f"hyperParameters: {name} must be {row.range_text}; {_shown(text)} was sent."
    return None


def _contradiction(sent: Mapping[str, str]) -> str | None:
    """Full training has no adapter to set anything of."""
    names = [name for name in sent if name.startswith("outcrop.lora")]
    if sent.get("outcrop.method") != "full" or not names:
        return None
    return f"hyperParameters: {', '.join(names)} cannot be carried out with outcrop.method full: leave out either."


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_NUMBER else text[:_LONGEST_NUMBER] + "…")


def _plain(value: Number | str) -> str:
    """As people write it: 1e-05 is 0.00001, 1.0 is 1."""
    return value if isinstance(value, str) else f"{value:.10f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
