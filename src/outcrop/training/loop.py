"""The one loop: every objective is rows with a mask. Knows no files, keys or adapters.

The loss of a step is the mean over its trained tokens, however they are spread over rows and pieces.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from outcrop.domain.errors import JobFailure
from outcrop.domain.events import Event, Finished, Started, Step, Validation
from outcrop.domain.plan import EarlyStopping, TrainingPlan
from outcrop.modeling.llama import Llama
from outcrop.training.batches import Batch, Piece, Rows, epoch_order
from outcrop.training.optimizer import Optimizer
from outcrop.training.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is learnt, and what it is measured on: one set of rows for each validator."""

    training: Rows
    validation: tuple[Rows, ...] = ()


def train(model: Llama, material: Material, plan: TrainingPlan, tell: Callable[[Event], None]) -> Finished:
    """Trains what in `model` requires a gradient, in place. `tell` hears every event but the last, which is answered.

    Raises JobFailure where the loss is no number any more.
    """
    rows = material.training
    schedule = Schedule.of(plan, plan.epochs * math.ceil(len(rows) / plan.batch_size))
    optimizer = Optimizer(parameter for parameter in model.parameters() if parameter.requires_grad)
    tell(Started(steps=schedule.steps, rows=len(rows), trained_tokens_per_epoch=rows.trained_tokens))
    losses = [_validate(model, material, -1, 0, tell)]
    step = 0
    for epoch in range(plan.epochs):
        model.train()
        total = 0.0
        for batch in rows.batches(epoch_order(len(rows), plan.seed, epoch).tolist(), plan.batch_size):
            loss = _gradients(model, rows, batch)
            _require_number(loss, step)
            optimizer.step(schedule.learning_rate(step))
            tell(_stepped(step, epoch, loss, schedule, batch))
            total += loss * batch.trained_tokens
            step += 1
        _require_number(0.0 if optimizer.finite() else math.nan, step - 1)
        losses.append(_validate(model, material, step - 1, epoch, tell))
        if plan.early_stopping and stops_early(losses, plan.early_stopping):
            break
    return Finished(
        training_loss=total / rows.trained_tokens,
        validation_losses=losses[-1],
        steps=step,
        stopped_early=step < schedule.steps,
    )


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


def _gradients(model: Llama, rows: Rows, batch: Batch) -> float:
    """Adds the batch's mean gradient to the parameters'; answers its mean loss."""
    loss = 0.0
    for piece in rows.pieces(batch):
        part = _loss(model, piece) / batch.trained_tokens
        part.backward()
        loss += part.item()
    return loss


def _validate(
    model: Llama, material: Material, step: int, epoch: int, tell: Callable[[Event], None]
) -> tuple[float, ...]:
    """Each validator's mean loss over its trained tokens."""
    model.eval()
    losses = []
    for validator, rows in enumerate(material.validation):
        with torch.no_grad():
            total = sum(_loss(model, piece).item() for piece in _all_pieces(rows))
        losses.append(total / rows.trained_tokens)
        tell(Validation(step=step, epoch=epoch, validator=validator, loss=losses[-1]))
    return tuple(losses)


def _all_pieces(rows: Rows) -> Iterator[Piece]:
    for whole in rows.batches(range(len(rows)), len(rows)):
        yield from rows.pieces(whole)


def _loss(model: Llama, piece: Piece) -> torch.Tensor:
    device = model.embedding.device
    return model.loss(piece.packed.to(device), piece.wanted.to(device), piece.targets.to(device))


def _stepped(step: int, epoch: int, loss: float, schedule: Schedule, batch: Batch) -> Step:
    return Step(
        step=step, epoch=epoch, loss=loss, learning_rate=schedule.learning_rate(step), tokens=batch.trained_tokens
    )


def _require_number(value: float, step: int) -> None:
    if not math.isfinite(value):
        raise JobFailure(f"The training loss is no number at step {step + 1}; hint: a lower learning rate.")
