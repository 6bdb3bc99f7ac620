"""What a training child says while it works: one JSON object a line on its standard output."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The first line: what is ahead."""

    steps: int
    rows: int
    trained_tokens_per_epoch: int


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
    """Validation loss (nats a trained token) of one validator, after an epoch (or before the first: step -1)."""

    step: int
    epoch: int
    validator: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last line of a run that ended well; the sealed model is whole on disk before it is said."""

    training_loss: float
    validation_losses: tuple[float, ...]
    steps: int
    stopped_early: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The last line of a run that could not go on: a sentence without any row's text."""

    cause: str


Event = Started | Step | Validation | Finished | Failed
_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in (Started, Step, Validation, Finished, Failed)}


def to_line(event: Event) -> str:
    """One JSON line, with the event's name under `event`."""
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def from_line(line: str) -> Event:
    """The event that `to_line` wrote. Raises ValueError for anything else."""
    raw = json.loads(line)
    if not isinstance(raw, dict) or raw.get("event") not in _KINDS:
        raise ValueError("not an event line")
    kind = _KINDS[raw.pop("event")]
    if kind is Finished:
        raw["validation_losses"] = tuple(raw["validation_losses"])
    return kind(**raw)
