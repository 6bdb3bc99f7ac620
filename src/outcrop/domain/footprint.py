"""The most memory that a training process holds at once, from sizes alone. Knows no machine and measures nothing.

Three moments compete: the weights being read, a step at its widest, and the result being saved. What each holds was
counted in the engine's code; the few constants that cannot be counted were fitted to `benchmarks/estimate.py`.
"""

import math
from dataclasses import dataclass

from outcrop.domain.machine import Precision
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.row_statistics import RowStatistics

BYTES = {"float32": 4, "bfloat16": 2}
OPTIMIZER_BYTES = 16  # a trained weight, its gradient and AdamW's two means, in float32
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What the training engine keeps, as far as memory goes. Change it with the engine; the benchmark says when.

    `process_bytes`: Python with torch and the engine loaded, and what the matrix library sets aside for itself.
    `piece_tokens`: tokens computed at once, unless one row is longer. `kept_*`: numbers kept for the backward pass, a
    token and layer, in units of that width. `working_*`: numbers alive besides while one layer's gradient is computed.
    `head_rows`: rows of logits that exist at once, `logits`: how many times over, in float32. `row_bytes`: a training
    token while it waits for its turn. `saved_copies`: copies of what is saved that exist while it is sealed.
    """

    process_bytes: int = 345 * MEBIBYTE
    card_process_bytes: int = 600 * MEBIBYTE
    piece_tokens: int = 2048
    kept_hidden: float = 4
    kept_intermediate: float = 3
    kept_queries: float = 4
    kept_key_values: float = 3
    kept_rank: float = 7
    working_hidden: float = 4
    working_intermediate: float = 5
    head_rows: int = 384
    logits: float = 3
    head_gradients: float = 2
    row_bytes: int = 15
    saved_copies: float = 2


ENGINE = Engine()


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes at the three moments, and how many tokens the largest piece has."""

    reading: int
    training: int
    saving: int
    piece_tokens: int

    @property
    def peak(self) -> int:
        """The most of the three."""
        return max(self.reading, self.training, self.saving)


def footprint(
    shape: ModelShape, plan: TrainingPlan, rows: RowStatistics, *, precision: Precision, on_card: bool, engine: Engine
) -> Footprint:
    """What a run of `plan` on `rows` will hold: of the card's memory, or else of the machine's."""
    process = engine.card_process_bytes if on_card else engine.process_bytes
    weights = shape.weights * (BYTES[precision] if plan.lora else 4)
    trained = trained_weights(shape, plan)
    resting = process + engine.row_bytes * rows.tokens * (not on_card)
    resting += OPTIMIZER_BYTES * trained + (weights if plan.lora else 0)
    tokens = largest_piece(rows, plan.batch_size, engine.piece_tokens)
    fused = 4 * max(shape.head_weights, shape.layer_weights)
    return Footprint(
        reading=process + weights + (0 if on_card else shape.weights * shape.stored_bytes + fused),
        training=resting + round(_step(shape, plan, rows, tokens, BYTES[precision], engine)),
        saving=resting + round(engine.saved_copies * 4 * trained * (not on_card)),
        piece_tokens=tokens,
    )


def trained_weights(shape: ModelShape, plan: TrainingPlan) -> int:
    """How many weights learn."""
    return shape.adapter_weights(plan.lora.rank, plan.lora.targets) if plan.lora else shape.weights


def largest_piece(rows: RowStatistics, batch_size: int, budget: int) -> int:
    """Tokens of the largest piece that is likely to come: at most the budget, unless one row is longer.

    Batches are drawn by chance: the fullest of n of them is about sqrt(2 ln n) deviations above the mean.
    """
    batches = max(2, math.ceil(rows.rows / batch_size))
    spread = math.sqrt(2 * math.log(batches) * min(batch_size, rows.rows)) * rows.deviation
    likely = round(min(batch_size, rows.rows) * rows.mean + spread)
    fullest = min(batch_size * rows.longest, rows.computed_tokens, likely)
    return max(rows.longest, min(budget, fullest))


def _step(shape: ModelShape, plan: TrainingPlan, rows: RowStatistics, tokens: int, size: int, engine: Engine) -> float:
    """Bytes that one forward and backward pass over the largest piece needs at its widest."""
    learnt = tokens * rows.trained_share
    rank = plan.lora.rank if plan.lora else 0
    attention = engine.kept_queries * shape.queries + engine.kept_key_values * shape.key_values
    dense = engine.kept_hidden * shape.hidden_size + engine.kept_intermediate * shape.intermediate_size
    kept = (attention + dense + engine.kept_rank * rank) * tokens * (shape.layers - 1)
    kept += attention * tokens + dense * learnt  # in the last layer only what predicts something goes on
    working = engine.working_hidden * shape.hidden_size + engine.working_intermediate * shape.intermediate_size
    head = 4 * engine.logits * min(engine.head_rows, learnt) * shape.vocabulary_size
    head += 0 if plan.lora else 4 * engine.head_gradients * shape.head_weights
    return kept * size + max(working * tokens * size, head)
