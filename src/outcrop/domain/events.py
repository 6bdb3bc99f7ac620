"""What a training child says while it works: one JSON object a line on its standard output."""

import json
from dataclasses import asdict, dataclass
from typing import get_args


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The first line: what is ahead, and what will not be learnt. Tokens are an epoch's.

    Of the training file `truncated_rows` were cut to what the checkpoint takes, `skipped_rows` lines were no record,
    and `empty_answers` rows have one.
    """

    steps: int
    rows: int
    trained_tokens_per_epoch: int
    tokens_per_epoch: int = 0
    truncated_rows: int = 0
    skipped_rows: int = 0
    empty_answers: int = 0
    validation_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """An earlier attempt trained: this one goes on after its first `step` steps (0: none of its checkpoints is whole).

    The events of those steps are told again. `lost_steps` had been done and are done again.
    """

    step: int
    lost_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointDamaged:
    """The checkpoint after `step` steps could not be used: a sentence that says why."""

    step: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointUnwritten:
    """The checkpoint after `step` steps could not be written; the training went on without it."""

    step: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One optimizer step. `loss` is the mean over trained tokens (nats); `epoch` and `step` count from 0."""

    step: int
    epoch: int
    loss: float
    learning_rate: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """Validation loss (nats a trained token) of one validator after a step (before the first one: step -1).

    Every epoch's last step has one, and each step that the plan's `validate_every_steps` names.
    """

    step: int
    epoch: int
    validator: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last line of a run that ended well; the sealed model is whole on disk before it is said.

    `saved_step`: the last step that the saved model knows. The losses are that model's: validation as it was measured
    after that step, training as the mean over its epoch so far.
    `peak_bytes` of memory were held at once at most, `card_peak_bytes` of an accelerator's; `seconds` is what the
    process took, from its first line of Python. (0: not measured.)
    """

    training_loss: float
    validation_losses: tuple[float, ...]
    steps: int
    stopped_early: bool
    saved_step: int | None = None
    peak_bytes: int = 0
    card_peak_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The last line of a run that could not go on: a sentence without any row's text."""

    cause: str


Event = Started | Resumed | CheckpointDamaged | CheckpointUnwritten | Step | Validation | Finished | Failed
_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
_TUPLES = {"validation_losses", "validation_rows"}


def to_line(event: Event) -> str:
    """One JSON line, with the event's name under `event`."""
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def from_line(line: str) -> Event:
    """The event that `to_line` wrote. Raises ValueError for anything else."""
    raw = json.loads(line)
    if not isinstance(raw, dict) or raw.get("event") not in _KINDS:
        raise ValueError("not an event line")
    kind = _KINDS[raw.pop("event")]
    for name in _TUPLES & raw.keys():
        raw[name] = tuple(raw[name])
    return kind(**raw)
