"""The pebble's pre-training: a schedule over CPU time, two optimizers, one loop. Knows no sources and no files."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
    """How long, and how fast: CPU seconds, the peak learning rate, warm-up steps, tokens a step."""

    cpu_s: float
    peak: float = 3e-3
    warmup_steps: int = 60
    batch_tokens: int = 4096

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
    model: Llama, batches: Iterator[list[Row]], schedule: Schedule, tell: Callable[[Progress], None]
) -> None:
    """Trains `model` in place until the CPU time is used up; `tell` hears of every step."""
    optimizers = _optimizers(model, schedule.peak)
    began, step, tokens, done = time.process_time(), 0, 0, 0.0
    while done < 1.0:
        rows = next(batches)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = schedule.learning_rate(step, done)
        loss = row_loss(model, rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad(set_to_none=False)
        step, tokens = step + 1, tokens + sum(len(row.ids) for row in rows)
        used = time.process_time() - began
        done = used / schedule.cpu_s
        tell(Progress(step=step, done=done, loss=loss.item(), tokens=tokens, cpu_s=used))


def row_loss(model: Llama, rows: list[Row]) -> torch.Tensor:
    """Mean loss over the rows' trained tokens, in nats. Matrix products in bfloat16, the rest in float32."""
    packed = Packed.of([row.ids for row in rows])
    trained = torch.cat([row.trained for row in rows]).nonzero().squeeze(1)
    with torch.autocast("cpu", torch.bfloat16):
        return model.loss(packed, trained - 1, packed.tokens[trained]) / len(trained)


def _optimizers(model: Llama, peak: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside (each projection by itself), AdamW for the embedding and the norms."""
    matrices = []
    for projection in model.projections().values():
        projection.weight.grad = torch.zeros_like(projection.weight)
        parts = zip(projection.weight.data.split(projection.sizes), projection.weight.grad.split(projection.sizes), strict=True)
        for weight, gradient in parts:
            part = torch.nn.Parameter(weight)
            part.grad = gradient
            matrices.append(part)
    inner = {id(projection.weight) for projection in model.projections().values()}
    others = [parameter for parameter in model.parameters() if id(parameter) not in inner]
    return [
        torch.optim.Muon(matrices, lr=peak, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=peak, weight_decay=0.01, betas=(0.9, 0.95), fused=True),
    ]
