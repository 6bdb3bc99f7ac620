"""What a run has measured so far, and what follows from it: position, losses, the best state, when to stop.

Everything here is a pure function of the steps and validations done, so that a run that goes on from a checkpoint
computes what one that was never interrupted does. Knows no model and no files.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Step, Validation
from outcrop.domain.plan import EarlyStopping, TrainingPlan
from outcrop.training.schedule import Schedule

BEFORE = -1  # the "step" of the losses measured before the first one


@dataclass(slots=True, kw_only=True)
class History:
    """The steps done (mean loss and learnt tokens of each), and each validation's losses by its step (BEFORE first)."""

    plan: TrainingPlan
    steps_an_epoch: int
    losses: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    validations: dict[int, tuple[float, ...]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """How many are done."""
        return len(self.losses)

    @property
    def schedule(self) -> Schedule:
        """The learning rates of the whole run."""
        return Schedule.of(self.plan, self.plan.epochs * self.steps_an_epoch)

    @property
    def position(self) -> tuple[int, int]:
        """The epoch that the next step belongs to, and how many of that epoch's steps are done."""
        return divmod(self.steps, self.steps_an_epoch)

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: the last step is done, or an epoch has ended and the rule says stop."""
        epoch, within = self.position
        rule = self.plan.early_stopping
        return epoch == self.plan.epochs or (within == 0 and rule is not None and stops_early(self._epochs(), rule))

    @property
    def validation_is_due(self) -> bool:
        """Whether the step just done is one to validate after."""
        every = self.plan.validate_every_steps
        return self.position[1] == 0 or (every is not None and self.steps % every == 0)

    @property
    def best_step(self) -> int | None:
        """The first step with the lowest loss of the first validator, among those validated after."""
        scored = [(losses[0], step) for step, losses in self.validations.items() if step != BEFORE and losses]
        return min(scored)[1] if scored else None

    def add(self, loss: float, tokens: int) -> Step:
        """A step more. Raises JobFailure where its loss is no number."""
        require_number(loss, self.steps)
        self.losses.append(loss)
        self.tokens.append(tokens)
        return self.step(self.steps - 1)

    def step(self, number: int) -> Step:
        """The event of a step that was done."""
        return Step(
            step=number,
            epoch=number // self.steps_an_epoch,
            loss=self.losses[number],
            learning_rate=self.schedule.learning_rate(number),
            tokens=self.tokens[number],
        )

    def events(self) -> Iterator[Step | Validation]:
        """Everything done so far, in the order it was first told."""
        yield from self._validated(BEFORE)
        for number in range(self.steps):
            yield self.step(number)
            yield from self._validated(number)

    def training_loss(self, upto: int) -> float:
        """The mean loss over what was learnt in `upto`'s epoch, up to that step."""
        done = slice(upto - upto % self.steps_an_epoch, upto + 1)
        total = math.fsum(loss * tokens for loss, tokens in zip(self.losses[done], self.tokens[done], strict=True))
        return total / sum(self.tokens[done])

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it, to be kept: float64, so that no number loses a bit."""
        return {
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "tokens": torch.tensor(self.tokens, dtype=torch.int64),
            "validated_steps": torch.tensor(list(self.validations), dtype=torch.int64),
            "validation_losses": torch.tensor(list(self.validations.values()), dtype=torch.float64),
        }

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """What `tensors` answered."""
        self.losses, self.tokens = tensors["losses"].tolist(), tensors["tokens"].tolist()
        validated = zip(tensors["validated_steps"].tolist(), tensors["validation_losses"].tolist(), strict=True)
        self.validations = {step: tuple(losses) for step, losses in validated}

    def _validated(self, step: int) -> Iterator[Validation]:
        for validator, loss in enumerate(self.validations.get(step, ())):
            yield Validation(step=step, epoch=max(step, 0) // self.steps_an_epoch, validator=validator, loss=loss)

    def _epochs(self) -> list[tuple[float, ...]]:
        """The losses before the first step, and those after each epoch."""
        return [losses for step, losses in self.validations.items() if (step + 1) % self.steps_an_epoch == 0]


def stops_early(losses: Sequence[tuple[float, ...]], rule: EarlyStopping) -> bool:
    """Whether the first validator's loss has not fallen by `threshold` below its best for `patience` epochs.

    `losses[0]` was measured before the first epoch. Without validators nothing stops early.
    """
    if not losses[0]:
        return False
    best, without = losses[0][0], 0
    for loss, *_ in losses[1:]:
        better = loss <= best - rule.threshold
        best, without = (loss, 0) if better else (best, without + 1)
    return without >= rule.patience


def require_number(value: float, step: int) -> None:
    """Raises JobFailure for anything else."""
    if not math.isfinite(value):
        raise JobFailure(f"The training loss is no number at step {step + 1}; hint: a lower learning rate.")
