"""The one loop: an objective says what a piece's loss is, the plan everything else. Knows no files, keys or adapters.

The loss of a step is the mean over what is learnt in it, however that is spread over rows and pieces.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import torch

from outcrop.domain.events import Event, Finished, Started, Validation
from outcrop.domain.plan import TrainingPlan
from outcrop.modeling.model import CausalModel
from outcrop.training.batches import Batch, Rows
from outcrop.training.history import BEFORE, History, require_number
from outcrop.training.objective import Objective
from outcrop.training.objectives import objective_named
from outcrop.training.objectives.fine_tuning import OBJECTIVE as FINE_TUNING
from outcrop.training.optimizer import Optimizer
from outcrop.training.saver import Saver
from outcrop.training.snapshot import BestState, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is learnt, and what it is measured on: one set of rows for each validator."""

    training: Rows
    validation: tuple[Rows, ...] = ()


def train(
    model: CausalModel,
    material: Material,
    plan: TrainingPlan,
    tell: Callable[[Event], None],
    saver: Saver | None = None,
) -> Finished:
    """Trains what in `model` requires a gradient, in place. `tell` hears every event but the last, which is answered.

    With a `saver` it goes on from the newest whole checkpoint, and leaves checkpoints behind. Raises JobFailure where
    the loss is no number any more.
    """
    run = _Run(model, material, plan, tell)
    run.begin(saver)
    while not run.history.over:
        run.epoch(saver)
    return run.finish()


class _Run:
    """A run while it goes on: the model, and what is known of it so far."""

    def __init__(
        self, model: CausalModel, material: Material, plan: TrainingPlan, tell: Callable[[Event], None]
    ) -> None:
        self.model, self.material, self.plan, self.tell = model, material, plan, tell
        self.objective: Objective = objective_named(plan.objective)
        self.optimizer = Optimizer(parameter for parameter in model.parameters() if parameter.requires_grad)
        steps_an_epoch = math.ceil(len(material.training) / plan.batch_size)
        self.history = History(plan=plan, steps_an_epoch=steps_an_epoch)
        self.best: BestState | None = None

    def begin(self, saver: Saver | None) -> None:
        """Says what is ahead; goes on from a checkpoint, or measures what there is before the first step."""
        self.tell(_started(self.material, self.plan, self.history.schedule.steps))
        found = saver.resume() if saver else None
        if found is None:
            self._validate()
            return
        self.history.take(found.history)
        self.optimizer.load(found.optimizer)
        self.best = found.best
        found.restore_random_state()
        for event in self.history.events():
            self.tell(event)

    def epoch(self, saver: Saver | None) -> None:
        """What is left of the epoch that the next step belongs to."""
        rows, history = self.material.training, self.history
        epoch, done = history.position
        order = self.objective.order(rows, self.plan.seed, epoch)
        self.model.train()
        for batch in islice(rows.batches(order, self.plan.batch_size), done, None):
            self._step(batch)
            if history.validation_is_due:
                require_number(0.0 if self.optimizer.finite() else math.nan, history.steps - 1)
                self._validate()
            if saver and not history.over:
                saver.offer(history.steps, self._snapshot)

    def finish(self) -> Finished:
        """The last event. The model is then in the state that is to be saved: the last, or the best."""
        step = self.history.steps - 1
        if self.best is not None:
            step = self.best.step
            self.optimizer.put(self.best.values.to(self.optimizer.values.device))
        return Finished(
            training_loss=self.history.training_loss(step),
            validation_losses=self.history.validations[step],
            steps=self.history.steps,
            stopped_early=self.history.steps < self.history.schedule.steps,
            saved_step=step,
        )

    def _step(self, batch: Batch) -> None:
        """The whole step is queued before its loss is read: a card is waited for once a step, and only here."""
        loss = _gradients(self.model, self.material.training, batch, self.objective)
        self.optimizer.step(self.history.schedule.learning_rate(self.history.steps))
        self.tell(self.history.add(loss.item(), batch.trained_tokens))

    def _validate(self) -> None:
        """Each validator's mean loss over what is learnt in its rows; keeps the state where it is the best so far."""
        step = self.history.steps - 1
        self.model.eval()
        losses = [_mean_loss(self.model, self.objective, rows) for rows in self.material.validation]
        self.model.train()
        self.history.validations[step] = tuple(losses)
        for validator, loss in enumerate(losses):
            epoch = max(step, 0) // self.history.steps_an_epoch
            self.tell(Validation(step=step, epoch=epoch, validator=validator, loss=loss))
        if self.plan.keep_best and step != BEFORE and self.history.best_step == step:
            self.best = BestState(step=step, values=self.optimizer.values.detach().to("cpu", copy=True))

    def _snapshot(self) -> Snapshot:
        return Snapshot.of(self.history.tensors(), self.optimizer.state(), self.best)


def _gradients(model: CausalModel, rows: Rows, batch: Batch, objective: Objective = FINE_TUNING) -> torch.Tensor:
    """Adds the batch's mean gradient to the parameters'; answers its mean loss, float64 [] on the model's device."""
    pieces = list(objective.pieces(rows, batch))
    weight = sum(objective.weight(piece) for piece in pieces)
    loss = torch.zeros((), dtype=torch.float64, device=model.device)
    for piece in pieces:
        part = objective.loss(model, piece) / weight
        part.backward()
        loss += part.detach()
    return loss


@torch.no_grad()
def _mean_loss(model: CausalModel, objective: Objective, rows: Rows) -> float:
    """The mean loss over what is learnt in `rows`."""
    total, weight = torch.zeros((), dtype=torch.float64, device=model.device), 0.0
    for whole in rows.batches(range(len(rows)), len(rows)):
        for piece in objective.pieces(rows, whole):
            total += objective.loss(model, piece)
            weight += objective.weight(piece)
    return total.item() / weight


def _started(material: Material, plan: TrainingPlan, steps: int) -> Started:
    rows = material.training
    return Started(
        steps=steps,
        rows=len(rows),
        trained_tokens_per_epoch=rows.trained_tokens,
        tokens_per_epoch=int(rows.lengths.sum()),
        truncated_rows=plan.truncated_rows,
        skipped_rows=plan.skipped_rows,
        empty_answers=plan.empty_answers,
        validation_rows=tuple(len(rows) for rows in material.validation),
    )
