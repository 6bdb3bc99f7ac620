"""The most memory that a training process holds at once, from sizes alone. Knows no machine and measures nothing.

Four moments compete: the weights being read, a parent's being put in their place, a step at its widest, and the base
being read once more for its answers. What each holds was counted in the engine's code; what a process weighs by itself
is measured where it runs, and the few constants left come of `benchmarks/estimate.py`.
"""

import math
from dataclasses import dataclass

from outcrop.domain.machine import Precision
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import TrainingPlan
from outcrop.domain.row_statistics import RowStatistics

MEBIBYTE = 1 << 20
BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What a training engine keeps, as far as memory goes. Change it with the engine; the benchmark says when.

    `process_bytes`: Python with torch and the engine loaded, where nobody measured it here; `library_bytes`: what the
    engine loads besides. `products_bytes`: the compiled products that the matrix library keeps.
    `piece_tokens`: tokens computed at once, unless one row is longer. `kept_*`: numbers kept for the backward pass, a
    token and layer, in units of that width (`kept_stream`: of the hidden size, in float32 whatever the precision).
    `working_*`: numbers alive besides while one layer's gradient is computed.
    `prunes`: the last layer goes on only with tokens that predict something learnt. `head_rows`: rows of logits that
    exist at once, `logits`: how many times over, in float32. `head_gradients`: copies of the head's matrix while its
    gradient is computed; where it is the embedding too, one waits for the embedding's.
    `entering_*`: what a layer keeps of a token where it is computed again, in hidden sizes.
    `heap_gaps`: of what the layers keep; blocks come and go in another order each piece, and the C library's heap keeps
    the gaps for later ones.
    """

    process_bytes: int = 330 * MEBIBYTE
    library_bytes: int = 0
    products_bytes: int = 32 * MEBIBYTE  # 64 of them, half a megabyte each
    piece_tokens: int = 1024
    kept_stream: float
    kept_hidden: float
    kept_intermediate: float
    kept_queries: float
    kept_key_values: float
    kept_rank: float = 7
    working_hidden: float = 4
    working_intermediate: float = 5
    prunes: bool = True
    head_rows: int = 384
    logits: float = 3
    head_gradients: float = 2
    entering_stream: float = 1
    entering_hidden: float = 1
    heap_gaps: float = 0


# Our own Llama, and transformers' networks: they load a larger library and keep what autograd keeps, fitted with gaps.
OWN = Engine(
    kept_stream=2,
    kept_hidden=2,
    kept_intermediate=3,
    kept_queries=2,
    kept_key_values=2,
    heap_gaps=0.35,  # 0.3 to 0.6 in seven plans, as mallinfo2 says
)
GENERAL = Engine(
    library_bytes=70 * MEBIBYTE,
    kept_stream=2,
    kept_hidden=6,
    kept_intermediate=4,
    kept_queries=4,
    kept_key_values=5,
    kept_rank=14,
    prunes=False,
    entering_stream=0,
)
CARD_BYTES = 600 * MEBIBYTE  # CUDA's own, and its libraries'
TOKEN_BYTES = 5  # of a prepared row in memory: a token's id and whether it is learnt
HELD_ROWS_BYTES = 64 * MEBIBYTE  # prepared rows that are in memory at once, at most
NUMBER_BYTES = 12  # three numbers of every row
OPTIMIZER_BYTES = 16  # a trained weight, its gradient and AdamW's two means, in float32
SNAPSHOT_BYTES = 12  # a trained weight in a checkpoint that is being written: itself and the two means
BEST_BYTES = 4  # a trained weight in the best state so far
TAKEN_BYTES = 8  # a parent's weight while it is taken: the file's bytes, and the tensors made of them
QUANTIZED_BYTES = 0.53  # a weight in 4 bits, and its share of the scales


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What decides how much is held. `checkpoints`: whether the run is long enough that one is written.

    `whole_parent`: the run goes on from whole weights of a parent. `process_bytes`: what a process with the engine
    loaded was measured to hold, 0 where nobody did.
    """

    shape: ModelShape
    plan: TrainingPlan
    rows: RowStatistics
    precision: Precision
    on_card: bool
    checkpoints: bool = False
    whole_parent: bool = False
    process_bytes: int = 0

    @property
    def exact(self) -> bool:
        """Whether all weights stay in float32, because they are trained or are in the result."""
        return self.plan.lora is None or self.whole_parent

    @property
    def weight_bytes(self) -> int:
        """What a weight takes in memory, unless it is quantised."""
        return BYTES["float32" if self.exact else self.precision]

    @property
    def engine(self) -> Engine:
        """Which engine trains this shape."""
        return OWN if self.shape.architecture == "llama" else GENERAL

    @property
    def trained_weights(self) -> int:
        """How many weights learn."""
        lora = self.plan.lora
        return self.shape.adapter_weights(lora.rank, lora.targets) if lora else self.shape.weights

    @property
    def piece_tokens(self) -> int:
        """Tokens of the largest piece."""
        return largest_piece(self.rows, self.plan.batch_size, self.engine.piece_tokens)


def peak_bytes(run: Run) -> int:
    """The most that the run will hold at once: of the card's memory, or else of the machine's."""
    read = max(_reading(run), _reading_again(run))
    return round(max(read + _mapped(run), needed_bytes(run)))


def needed_bytes(run: Run) -> int:
    """The same without the checkpoint's files, whose pages are mapped while they are read: they give way to others.

    Whether a run has room is decided by this; what a process reports of itself is `peak_bytes`.
    """
    training = _resting(run) + max(_step(run), _best(run))
    return round(max(_reading(run), _taking(run), training, _reading_again(run)))


def largest_piece(rows: RowStatistics, batch_size: int, budget: int) -> int:
    """Tokens of the largest piece that is likely to come: at most the budget, unless one row is longer.

    Batches are drawn by chance: the fullest of n of them is about sqrt(2 ln n) deviations above the mean.
    """
    batches = max(2, math.ceil(rows.rows / batch_size))
    spread = math.sqrt(2 * math.log(batches) * min(batch_size, rows.rows)) * rows.deviation
    likely = round(min(batch_size, rows.rows) * rows.mean + spread)
    fullest = min(batch_size * rows.longest, rows.computed_tokens, likely)
    return max(rows.longest, min(budget, fullest))


def _process(run: Run) -> int:
    return CARD_BYTES if run.on_card else (run.process_bytes or run.engine.process_bytes) + run.engine.library_bytes


def _reading(run: Run) -> float:
    """The model, and the largest of its matrices on the way. What is quantised waits whole on the CPU."""
    if run.on_card:
        return _process(run) + _frozen(run)
    return _process(run) + _model(run, run.weight_bytes)


def _taking(run: Run) -> float:
    """The model again, and a parent's whole weights that take the place of its own."""
    if run.on_card or not run.whole_parent:
        return 0
    return _process(run) + run.shape.weights * (run.weight_bytes + TAKEN_BYTES)


def _reading_again(run: Run) -> float:
    """The base once more, in float32, when the trained model is gone: where it did not lie unchanged under an adapter.

    An adapter that was trained over 4 bits is put on it, from a copy of its own.
    """
    if run.on_card or not (run.exact or run.plan.quantization):
        return 0
    adapter = 0 if run.exact else 2 * BYTES["float32"] * run.trained_weights
    return _process(run) + run.engine.products_bytes + _model(run, BYTES["float32"]) + adapter


def _model(run: Run, weight_bytes: int) -> float:
    """All weights, and the largest matrix of them while it is copied."""
    shape = run.shape
    return shape.weights * weight_bytes + BYTES["float32"] * max(shape.head_weights, shape.layer_weights)


def _mapped(run: Run) -> float:
    """The files that the model is read from."""
    return 0 if run.on_card else run.shape.weights * run.shape.stored_bytes


def _resting(run: Run) -> float:
    """What is held all the time while the run trains."""
    held = _process(run) + OPTIMIZER_BYTES * run.trained_weights + _frozen(run)
    if run.on_card:
        return held
    held += run.engine.products_bytes + SNAPSHOT_BYTES * run.checkpoints * run.trained_weights
    return held + _rows(run.rows) + _best(run)


def _best(run: Run) -> float:
    """The best state so far, in the machine's memory; a better one is there twice while it takes that one's place."""
    kept = run.plan.keep_best and bool(run.plan.validation_rows) and not run.on_card
    return BEST_BYTES * kept * run.trained_weights


def _rows(rows: RowStatistics) -> float:
    """The training rows while they wait for their turn."""
    return min(TOKEN_BYTES * rows.tokens, HELD_ROWS_BYTES) + NUMBER_BYTES * rows.rows


def _frozen(run: Run) -> float:
    """The weights that do not learn."""
    if run.plan.lora is None:
        return 0
    linear, size = run.shape.layers * run.shape.layer_weights, run.weight_bytes
    return (run.shape.weights - linear) * size + linear * (QUANTIZED_BYTES if run.plan.quantization else size)


def _step(run: Run) -> float:
    """One forward and backward pass over the largest piece, at its widest."""
    shape, engine, tokens, size = run.shape, run.engine, run.piece_tokens, BYTES[run.precision]
    learnt = tokens * run.rows.trained_share
    widths = engine.working_hidden * shape.hidden_size + engine.working_intermediate * shape.intermediate_size
    working = widths * tokens * size
    head = 4 * engine.logits * min(engine.head_rows, learnt) * shape.vocabulary_size
    if run.plan.lora is None:
        head += 4 * engine.head_gradients * shape.head_weights
        working += 4 * (shape.tied * shape.head_weights + shape.largest_product_weights)
    narrow = size * shape.weights if run.exact and run.precision != "float32" else 0  # what the products read
    gaps = 1 if run.on_card else 1 + engine.heap_gaps
    return gaps * _activations(run, learnt) + narrow + max(working, head)


def _activations(run: Run, learnt: float) -> float:
    """What the layers keep for the backward pass. Computed again, only one has more than what entered it."""
    tokens, before_last = run.piece_tokens, run.shape.layers - 1
    attention, dense = _kept(run)
    whole = (attention + dense) * tokens
    last = attention * tokens + dense * (learnt if run.engine.prunes else tokens)
    if not run.plan.recompute or not before_last:
        return whole * before_last + last
    entering = run.engine.entering_stream * BYTES["float32"] + run.engine.entering_hidden * BYTES[run.precision]
    return entering * run.shape.hidden_size * tokens * before_last + max(whole, last)


def _kept(run: Run) -> tuple[float, float]:
    """Bytes that a layer keeps of a token for the backward pass: in its attention, and around it."""
    shape, engine, size = run.shape, run.engine, BYTES[run.precision]
    attention = engine.kept_queries * shape.queries + engine.kept_key_values * shape.key_values
    dense = engine.kept_hidden * shape.hidden_size + engine.kept_intermediate * shape.intermediate_size
    dense += engine.kept_rank * (run.plan.lora.rank if run.plan.lora else 0)
    return attention * size, dense * size + engine.kept_stream * shape.hidden_size * BYTES["float32"]
