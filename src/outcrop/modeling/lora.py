"""Low-rank adapters on a Llama's projections, in PEFT's terms and names: the update is B A x (alpha / rank).

Knows nothing of files or of how an adapter is trained.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import dropout

from outcrop.domain.plan import LoraPlan
from outcrop.modeling.llama import Llama, Projection
from outcrop.modeling.products import linear, product
from outcrop.modeling.weights import GROUPS, fill

PREFIX = "base_model.model.model.layers"


class Lora(nn.Module):
    """The adapters of one projection's parts: `down` (PEFT's A, stacked) and `ups` (B), one for each adapted part."""

    def __init__(self, projection: Projection, spans: Sequence[tuple[int, int]], plan: LoraPlan) -> None:
        super().__init__()
        inputs = projection.inputs
        self.spans, self.scale, self.dropout = tuple(spans), plan.alpha / plan.rank, plan.dropout
        self.down = nn.Parameter(torch.empty(plan.rank * len(spans), inputs))
        self.ups = nn.ParameterList(torch.zeros(stop - start, plan.rank) for start, stop in spans)

    def forward(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """[n, inputs] -> [n, outputs]: the frozen projection and its adapters."""
        if self.dropout and self.training:
            return self._with_dropout(inputs, weight)
        return _Adapted.apply(inputs, weight, self.spans, self.scale, self.down, *self.ups)

    def update(self) -> torch.Tensor:
        """What the adapters add to the weight: [outputs of the whole projection, inputs]."""
        rank = self.ups[0].shape[1]
        added = self.down.new_zeros(self.spans[-1][1], self.down.shape[1])
        for (start, stop), up, down in zip(self.spans, self.ups, self.down.split(rank), strict=True):
            added[start:stop] = self.scale * up @ down
        return added

    def _with_dropout(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        outputs = linear(inputs, weight)
        low = linear(dropout(inputs, self.dropout), self.down) * self.scale
        for (start, stop), up, part in zip(self.spans, self.ups, low.chunk(len(self.ups), dim=1), strict=True):
            outputs[:, start:stop] += linear(part, up)
        return outputs


class _Adapted(torch.autograd.Function):
    """Frozen product and adapters in one node: no gradient for the weight, no copy of the outputs."""

    @staticmethod
    def forward(
        context: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        spans: tuple[tuple[int, int], ...],
        scale: float,
        *matrices: torch.Tensor,
    ) -> torch.Tensor:
        """`matrices` are `down`, then the ups."""
        weight, down, *ups = (matrix.to(inputs.dtype) for matrix in (weight, *matrices))
        low = product(inputs, down.t()).mul_(scale)  # [n, rank x parts]
        outputs = product(inputs, weight.t())
        for (start, stop), up, part in zip(spans, ups, low.chunk(len(ups), dim=1), strict=True):
            outputs[:, start:stop].addmm_(part, up.t())
        context.spans, context.scale = spans, scale
        context.save_for_backward(inputs, weight, low, down, *ups)
        return outputs

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weight, low, down, *ups = context.saved_tensors
        for_low = torch.empty_like(low)
        for_ups = []
        parts = zip(context.spans, ups, low.chunk(len(ups), dim=1), for_low.chunk(len(ups), dim=1), strict=True)
        for (start, stop), up, part, into in parts:
            mine = gradient[:, start:stop]
            for_ups.append(product(part.t(), mine).t().float())
            into.copy_(product(mine, up))
        for_low.mul_(context.scale)
        for_down = product(for_low.t(), inputs).float()
        for_inputs = product(gradient, weight).addmm_(for_low, down) if context.needs_input_grad[0] else None
        return for_inputs, None, None, None, for_down, *for_ups


def attach(model: Llama, plan: LoraPlan, seed: int) -> dict[tuple[int, str], Lora]:
    """Freezes `model` and adds a fresh adapter (A random, B zero) to every target; answers them by projection."""
    model.requires_grad_(False)
    random = torch.Generator().manual_seed(seed)
    adapters = {}
    for (layer, group), projection in model.projections().items():
        spans = _spans(group, projection.sizes, plan.targets)
        if spans:
            adapter = Lora(projection, spans, plan)
            bound = 1 / math.sqrt(adapter.down.shape[1])  # PEFT's: Kaiming with a = sqrt(5)
            nn.init.uniform_(adapter.down, -bound, bound, generator=random)
            adapters[layer, group] = adapter
            projection.adapter = adapter
    return adapters


def detach(model: Llama) -> None:
    """Takes the adapters off again."""
    for projection in model.projections().values():
        projection.adapter = None


@torch.no_grad()
def merge(model: Llama, adapters: dict[tuple[int, str], Lora]) -> None:
    """Adds each adapter's update to its weight, in float32 whatever the weight's type: rounded once."""
    projections = model.projections()
    for key, adapter in adapters.items():
        added = adapter.update().float()
        into = projections[key].weight[: len(added)]
        into.copy_(into + added.to(into.device))


def give(adapters: dict[tuple[int, str], Lora], targets: Sequence[str]) -> dict[str, torch.Tensor]:
    """The adapters' matrices under PEFT's names."""
    tensors = {}
    for (layer, group), adapter in adapters.items():
        rank = adapter.ups[0].shape[1]
        for name, down, up in zip(_parts(group, targets), adapter.down.split(rank), adapter.ups, strict=True):
            tensors[f"{PREFIX}.{layer}.{name}.lora_A.weight"] = down.detach().float().cpu()
            tensors[f"{PREFIX}.{layer}.{name}.lora_B.weight"] = up.detach().float().cpu()
    return tensors


@torch.no_grad()
def take(adapters: dict[tuple[int, str], Lora], targets: Sequence[str], tensors: dict[str, torch.Tensor]) -> None:
    """Copies matrices under PEFT's names into the adapters. Raises KeyError or RuntimeError where they do not fit."""
    for (layer, group), adapter in adapters.items():
        rank = adapter.ups[0].shape[1]
        for name, down, up in zip(_parts(group, targets), adapter.down.split(rank), adapter.ups, strict=True):
            fill(down, tensors[f"{PREFIX}.{layer}.{name}.lora_A.weight"])
            fill(up, tensors[f"{PREFIX}.{layer}.{name}.lora_B.weight"])


def _parts(group: str, targets: Sequence[str]) -> list[str]:
    """The group's projections that are adapted, in order."""
    return [name for name in GROUPS[group] if name.split(".")[-1] in targets]


def _spans(group: str, sizes: Sequence[int], targets: Sequence[str]) -> list[tuple[int, int]]:
    """Where the adapted parts' outputs lie among the group's."""
    spans, start = [], 0
    for name, size in zip(GROUPS[group], sizes, strict=True):
        if name.split(".")[-1] in targets:
            spans.append((start, start + size))
        start += size
    return spans
