"""The pebble's pre-training: one loop over batches, whose rows two workers share. Knows no sources and no files."""

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch.nn import functional

from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.fused import head_loss
from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import ROWS_MULTIPLE, Packed
from outcrop.modeling.rope import rope_table
from pebble.material import Row
from pebble.optimizers import Kind, Optimizers

SHAPE = LlamaConfig(
    vocabulary_size=6144,
    hidden_size=256,
    intermediate_size=688,
    layers=4,
    heads=4,
    key_value_heads=4,
    head_size=64,
    norm_epsilon=1e-5,
    context_tokens=2048,
    rope_theta=10000.0,
    rope_scaling=None,
    tied=True,
)
# A piece's activations stay near the core (2,048 tokens: 16,500 tokens a second; 4,096: 14,400; 1,024 and 512, for
# which the weights are rounded more often: 14,100 and 12,900).
PIECE_TOKENS = 2048
INITIAL_SPREAD = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How long: tokens, seconds of CPU or of wall clock spent in steps. Whichever is given and ends first."""

    tokens: float = math.inf
    cpu_s: float = math.inf
    wall_s: float = math.inf

    def done(self, spent: "Spent") -> float:
        """The share that is used up, at most 1."""
        return min(1.0, max(spent.tokens / self.tokens, spent.cpu_s / self.cpu_s, spent.wall_s / self.wall_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How fast. Warm-up over steps, then the peak, then a straight line to nearly nothing over the last `decay`."""

    peak: float = 4e-3
    warm_up_steps: int = 60
    decay: float = 0.7
    last: float = 0.01

    def learning_rate(self, step: int, done: float) -> float:
        """For step `step` (from 0), which begins when `done` of the budget is used up."""
        warm = min(1.0, (step + 1) / self.warm_up_steps)
        return self.peak * warm * max(self.last, min(1.0, (1.0 - done) / self.decay))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What steps have cost so far."""

    steps: int = 0
    tokens: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Summed losses in nats and the tokens they are of: of plain text, and of lessons."""

    text: float = 0.0
    text_tokens: int = 0
    lessons: float = 0.0
    lesson_tokens: int = 0

    @property
    def mean(self) -> float:
        """Nats a token learnt."""
        return (self.text + self.lessons) / max(1, self.text_tokens + self.lesson_tokens)


class Pretraining:
    """A run while it goes on. Between two steps, `tensors` and `spent` say all that it knows of the past."""

    def __init__(self, model: Llama, schedule: Schedule, workers: int, kind: Kind = "muon") -> None:
        model.activations = torch.bfloat16  # products and what is kept for the way back; weights and sums are float32
        # Whole from the start: workers would make it at the same time, and one made while measuring has no way back.
        model.rope = rope_table(model.config, model.config.context_tokens)
        self.model, self.schedule, self.workers = model, schedule, workers
        self.spent = Spent()
        self._optimizers = Optimizers(model, kind, workers)

    def run(self, batches: Iterator[list[Row]], budget: Budget) -> Iterator[Losses]:
        """Trains the model in place until the budget is used up; answers each step's losses when it is done."""
        with ThreadPoolExecutor(self.workers) as pool:
            while (done := budget.done(self.spent)) < 1.0:
                yield self._step(next(batches), done, pool)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights and what the optimizers remember: views, to be written before the next step."""
        weights = {f"model.{name}": value.detach() for name, value in self.model.named_parameters()}
        return weights | {f"optimizer.{name}": value for name, value in self._optimizers.state().items()}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], spent: Spent) -> None:
        """Goes on from `tensors`, to the bit. Raises KeyError or RuntimeError where they are of another shape."""
        for name, value in self.model.named_parameters():
            value.copy_(tensors[f"model.{name}"])
        prefix = "optimizer."
        kept = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        self._optimizers.restore(kept)
        self.spent = spent

    def _step(self, rows: list[Row], done: float, pool: ThreadPoolExecutor) -> Losses:
        cpu, wall = time.process_time(), time.monotonic()
        learnt = sum(int(row.trained.sum()) for row in rows)
        shares = [(self.model, share, learnt) for share in shared_out(rows, self.workers)]
        results = list(pool.map(lambda share: _gradients(*share), shares))
        rate = self.schedule.learning_rate(self.spent.steps, done)
        self._optimizers.step([gradients for _, gradients in results], rate, pool)
        self.spent = replace(
            self.spent,
            steps=self.spent.steps + 1,
            tokens=self.spent.tokens + sum(len(row.ids) for row in rows),
            cpu_s=self.spent.cpu_s + time.process_time() - cpu,
            wall_s=self.spent.wall_s + time.monotonic() - wall,
        )
        return _total([losses for losses, _ in results])


def new_model(shape: LlamaConfig, seed: int) -> Llama:
    """Small random weights; what writes into the stream of hidden states starts smaller, by depth."""
    chance = torch.Generator().manual_seed(seed)
    model = Llama(shape)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            deep = name.endswith(("o.weight", "down.weight"))
            spread = INITIAL_SPREAD / math.sqrt(2 * shape.layers) if deep else INITIAL_SPREAD
            torch.nn.init.normal_(parameter, std=spread, generator=chance)
    return model


def shared_out(rows: list[Row], workers: int) -> list[list[Row]]:
    """The rows in `workers` shares of nearly equal tokens: each row, the longest first, to who has least."""
    shares: list[list[Row]] = [[] for _ in range(workers)]
    sizes = [0] * workers
    for row in sorted(rows, key=lambda row: -len(row.ids)):
        least = sizes.index(min(sizes))
        shares[least].append(row)
        sizes[least] += len(row.ids)
    return [share for share in shares if share]


def _pieces(rows: list[Row]) -> list[list[Row]]:
    """The rows in as few shares as PIECE_TOKENS allows, about."""
    return shared_out(rows, max(1, round(sum(len(row.ids) for row in rows) / PIECE_TOKENS)))


def _gradients(model: Llama, rows: list[Row], learnt: int) -> tuple[Losses, list[torch.Tensor]]:
    """The rows' losses, and their part of the gradient of the mean loss over `learnt` tokens."""
    parameters, losses, total = list(model.parameters()), [], None
    for piece in _pieces(rows):
        summed, found = _loss(model, piece)
        gradients = torch.autograd.grad(summed / learnt, parameters)
        total = gradients if total is None else torch._foreach_add(total, gradients)
        losses.append(found)
    assert total is not None, "a share has rows"
    return _total(losses), list(total)


def _loss(model: Llama, rows: list[Row]) -> tuple[torch.Tensor, Losses]:
    """The summed loss of all that is learnt in `rows`, to go back from, and its parts."""
    packed, places, is_text = _laid_out(rows)
    kinds = [places[is_text], places[~is_text]]
    wanted = [functional.pad(kind - 1, (0, -len(kind) % ROWS_MULTIPLE)) for kind in kinds]
    states = model.states(packed, torch.cat(wanted)).split([len(kind) for kind in wanted])
    text, lessons = (head_loss(part, model.head, packed.tokens[kind]) for part, kind in zip(states, kinds, strict=True))
    tokens = [len(kind) for kind in kinds]
    found = Losses(text=text.item(), text_tokens=tokens[0], lessons=lessons.item(), lesson_tokens=tokens[1])
    return text + lessons, found


def _laid_out(rows: list[Row]) -> tuple[Packed, torch.Tensor, torch.Tensor]:
    """The rows end to end, the indices of all tokens learnt (int64 [m]), and which of those are text (bool [m]).

    A row is text where everything but its first token is learnt.
    """
    places = torch.cat([row.trained for row in rows]).nonzero().squeeze(1)
    learnt = torch.tensor([int(row.trained.sum()) for row in rows])
    text = torch.tensor([count == len(row.ids) - 1 for count, row in zip(learnt.tolist(), rows, strict=True)])
    return Packed.of([row.ids for row in rows]), places, text.repeat_interleave(learnt)


def _total(losses: list[Losses]) -> Losses:
    return Losses(
        text=sum(one.text for one in losses),
        text_tokens=sum(one.text_tokens for one in losses),
        lessons=sum(one.lessons for one in losses),
        lesson_tokens=sum(one.lesson_tokens for one in losses),
    )
