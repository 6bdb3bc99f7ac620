"""The pebble's pre-training: a schedule over CPU time, two optimizers, one loop. Knows no sources and no files."""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

import torch

from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed
from pebble.material import Row

SHAPE = LlamaConfig(
    vocabulary_size=4096,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long, and how fast: seconds of CPU and of wall (whichever ends first), the peak rate, tokens a step."""

    cpu_s: float
    wall_s: float
    peak: float = 3e-3
    warmup_steps: int = 60
    batch_tokens: int = 3072

    def learning_rate(self, step: int, done: float) -> float:
        """Linear warm-up by steps, then a cosine over the fraction `done` of the time, down to a fiftieth."""
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.peak * min(1.0, (step + 1) / self.warmup_steps) * cosine


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a step came to."""

    step: int
    done: float
    loss: float
    tokens: int
    cpu_s: float


def new_model(shape: LlamaConfig, seed: int) -> Llama:
    """Small random weights; what writes into the stream of hidden states starts smaller, by depth."""
    torch.manual_seed(seed)
    model = Llama(shape)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            deep = name.endswith(("o.weight", "down.weight"))
            torch.nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * shape.layers) if deep else 0.02)
    return model


def pretrain(
    model: Llama, batches: Iterator[list[Row]], schedule: Schedule, threads: int, tell: Callable[[Progress], None]
) -> None:
    """Trains `model` in place until the time is used up; `tell` hears of every step.

    Each thread takes its share of every batch: on small matrices that beats sharing out every product, by a third.
    """
    optimizers = [*_muons(model, schedule.peak, threads), _adamw(model, schedule.peak)]
    cpu, wall, step, tokens, done = time.process_time(), time.monotonic(), 0, 0, 0.0
    with ThreadPoolExecutor(threads) as pool:
        while done < 1.0:
            rows = next(batches)
            trained = sum(int(row.trained.sum()) for row in rows)
            shares = [(model, rows[start::threads], trained) for start in range(threads)]
            results = list(pool.map(lambda share: _gradients(*share), shares))
            loss = _sum_up(model, results)
            rates = repeat(schedule.learning_rate(step, done))
            list(pool.map(_step, optimizers, rates))
            step, tokens = step + 1, tokens + sum(len(row.ids) for row in rows)
            used = time.process_time() - cpu
            done = max(used / schedule.cpu_s, (time.monotonic() - wall) / schedule.wall_s)
            tell(Progress(step=step, done=done, loss=loss, tokens=tokens, cpu_s=used))


def _gradients(model: Llama, rows: list[Row], trained: int) -> tuple[float, tuple[torch.Tensor, ...]]:
    """The rows' part of the mean loss over `trained` tokens, in nats, and its gradients.

    Matrix products in bfloat16, the rest in float32.
    """
    packed = Packed.of([row.ids for row in rows])
    places = torch.cat([row.trained for row in rows]).nonzero().squeeze(1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(packed, places - 1, packed.tokens[places]) / trained
    return loss.item(), torch.autograd.grad(loss, list(model.parameters()))


@torch.no_grad()
def _sum_up(model: Llama, results: list[tuple[float, tuple[torch.Tensor, ...]]]) -> float:
    """Puts the sum of the gradients, clipped, where the optimizers look; answers the loss."""
    for parameter, *parts in zip(model.parameters(), *(gradients for _, gradients in results), strict=True):
        assert parameter.grad is not None
        torch.sum(torch.stack(parts), dim=0, out=parameter.grad)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return sum(loss for loss, _ in results)


def _step(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def _muons(model: Llama, peak: float, threads: int) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, each projection by itself; one for each thread."""
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    matrices = []
    for projection in model.projections().values():
        assert projection.weight.grad is not None
        values, gradients = projection.weight.data, projection.weight.grad
        for weight, gradient in zip(values.split(projection.sizes), gradients.split(projection.sizes), strict=True):
            part = torch.nn.Parameter(weight)
            part.grad = gradient
            matrices.append(part)
    return [
        torch.optim.Muon(matrices[start::threads], lr=peak, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
        for start in range(threads)
    ]


def _adamw(model: Llama, peak: float) -> torch.optim.Optimizer:
    """AdamW for the embedding and the norms."""
    inner = {id(projection.weight) for projection in model.projections().values()}
    others = [parameter for parameter in model.parameters() if id(parameter) not in inner]
    return torch.optim.AdamW(others, lr=peak, weight_decay=0.01, betas=(0.9, 0.95), fused=True)
