"""How many floating-point operations a training run takes, and how long that is on a machine. Pure arithmetic.

A multiplication and an addition are two operations. A frozen weight costs two a token forward and two backward, a
trained one two more for its own gradient. The first layer's input has no gradient, the last layer's second half
and the head are computed for those tokens only that predict something learnt. Where layers are computed again for the
backward pass, all but the last take one more forward pass.
"""

import math
from dataclasses import dataclass, field

from outcrop.domain.machine import Machine, Precision
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.row_statistics import RowStatistics

# Attention's backward pass computes the scores again: 2.5 times the forward's work.
ATTENTION_PASSES = 3.5
# Elementwise passes, in bytes written for each number of a token's widths in a layer: norms, rotation, activation,
# residuals; forward, and forward and backward. Fitted to benchmarks/estimate.py.
MOVED_FORWARD, MOVED_TRAINING = 16.0, 60.0
# Python and torch's dispatch for a layer of a piece, forward and backward. Fitted likewise.
LAYER_CALL_S = 1.2e-3
# What a model's products, of many sizes and between other work, reach of the speed of one large product repeated.
REACHED = 0.75
# Reading the model, making the optimizer, saving the result, over and above loading torch: of a small model.
LOADING_S = 0.7
STEP_S = 1e-3  # the optimizer's calls, an event line


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What is trained on, and all that is validated on together."""

    training: RowStatistics
    validation: RowStatistics = field(default_factory=RowStatistics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """`flops` in matrix products, `moved` bytes in elementwise passes, and `calls` of a layer."""

    flops: float
    moved: float
    calls: float
    steps: int

    def seconds(self, machine: Machine, precision: Precision) -> float | None:
        """How long it takes, without starting and saving; None where the machine's speed is not known."""
        speed = machine.multiply_flops.get(precision)
        if not speed or not machine.copy_bytes_s:
            return None
        passes = self.flops / speed + self.moved / machine.copy_bytes_s
        return (passes + self.calls * LAYER_CALL_S + self.steps * STEP_S) / REACHED


def effort(shape: ModelShape, plan: TrainingPlan, data: Data, *, steps: int, piece_tokens: int) -> Effort:
    """The work of all epochs, validation before the first step and each time that it comes included."""
    rows, validation = data.training, data.validation
    looks = 1 + validations(plan, steps) if validation.rows else 0
    trained, looked_at = plan.epochs * rows.computed_tokens, looks * validation.computed_tokens
    again = trained if plan.recompute else 0
    pieces = trained / max(1, piece_tokens) + steps + (looked_at + again) / max(1, piece_tokens) / 2
    widths = shape.layers * (shape.hidden_size + shape.queries + shape.intermediate_size)
    return Effort(
        flops=plan.epochs * training_flops(shape, plan, rows) + looks * forward_flops(shape, validation),
        moved=widths * (trained * MOVED_TRAINING + (looked_at + again) * MOVED_FORWARD),
        calls=shape.layers * pieces,
        steps=steps,
    )


def validations(plan: TrainingPlan, steps: int) -> int:
    """How often it is validated on the way: after each epoch, and each `validate_every_steps`, once where both fall."""
    if plan.validate_every_steps is None:
        return plan.epochs
    both = math.lcm(plan.validate_every_steps, max(1, steps // plan.epochs))
    return plan.epochs + steps // plan.validate_every_steps - steps // both


def training_flops(shape: ModelShape, plan: TrainingPlan, rows: RowStatistics) -> float:
    """Forward and backward over all rows once."""
    entry, rest = _halves(shape)
    whole, learnt = rows.computed_tokens, rows.trained_tokens
    layers = 2 * shape.layers * entry * whole + 2 * rest * ((shape.layers - 1) * whole + learnt)
    head = 2 * shape.head_weights * learnt
    rest_of_it = ATTENTION_PASSES * _attention(shape, rows) + (_before_the_last(shape, rows) if plan.recompute else 0)
    if plan.lora is None:
        return 3 * (layers + head) + rest_of_it
    adapter = 6 * shape.adapter_weights(plan.lora.rank, plan.lora.targets) * whole
    return 2 * (layers + head) - 2 * entry * whole + adapter + rest_of_it


def forward_flops(shape: ModelShape, rows: RowStatistics) -> float:
    """The losses of all rows once."""
    entry, rest = _halves(shape)
    layers = 2 * shape.layers * entry * rows.computed_tokens
    layers += 2 * rest * ((shape.layers - 1) * rows.computed_tokens + rows.trained_tokens)
    return layers + 2 * shape.head_weights * rows.trained_tokens + _attention(shape, rows)


def _before_the_last(shape: ModelShape, rows: RowStatistics) -> float:
    """One more forward pass through all layers but the last."""
    products = 2 * shape.layers * shape.layer_weights * rows.computed_tokens
    return (products + _attention(shape, rows)) * (shape.layers - 1) / shape.layers


def _halves(shape: ModelShape) -> tuple[int, int]:
    """A layer's weights: queries, keys and values, which every token needs; and the rest."""
    entry = sum(inputs * outputs for name, (inputs, outputs) in shape.linears.items() if name[0] in "qkv")
    return entry, shape.layer_weights - entry


def _attention(shape: ModelShape, rows: RowStatistics) -> float:
    """Scores and mixtures, forward: each token with those before it, half the square of a row."""
    return 4 * shape.queries * rows.squares / 2 * shape.layers
