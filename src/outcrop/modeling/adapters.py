"""Low-rank adapters on any network's linear layers, in PEFT's terms and names: the update is B A x (alpha / rank).

Added behind each layer, so that no architecture's own code is touched. Knows no files.
"""

import math

import torch
from torch import nn
from torch.nn.functional import dropout, linear

from outcrop.domain.plan import LoraPlan
from outcrop.modeling.general import General
from outcrop.modeling.linear_layers import PREFIX, matrix, sizes, targeted
from outcrop.modeling.weights import fill


class LowRank(nn.Module):
    """One layer's adapter: `down` is PEFT's A, `up` its B."""

    def __init__(self, outputs: int, inputs: int, plan: LoraPlan) -> None:
        super().__init__()
        self.scale, self.dropout = plan.alpha / plan.rank, plan.dropout
        self.down = nn.Parameter(torch.empty(plan.rank, inputs))
        self.up = nn.Parameter(torch.zeros(outputs, plan.rank))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What is added to the layer's outputs."""
        heard = dropout(inputs, self.dropout, self.training) if self.dropout else inputs
        low = linear(heard, self.down.to(inputs.dtype)) * self.scale
        return linear(low, self.up.to(inputs.dtype))


class GeneralAdapter(dict[str, LowRank]):
    """A fresh adapter (A random, B zero) on every layer of a model that the plan's targets name; the rest is frozen."""

    def __init__(self, model: General, plan: LoraPlan, seed: int) -> None:
        super().__init__()
        model.requires_grad_(False)
        self._model, self._layers = model, targeted(model.network, plan.targets)
        random = torch.Generator().manual_seed(seed)
        for name, layer in self._layers.items():
            adapter = LowRank(*sizes(layer), plan)
            bound = 1 / math.sqrt(adapter.down.shape[1])  # PEFT's: Kaiming with a = sqrt(5)
            nn.init.uniform_(adapter.down, -bound, bound, generator=random)
            self[name] = adapter.to(model.device)
        self._hooks = [layer.register_forward_hook(_adding(self[name])) for name, layer in self._layers.items()]
        model.adapters.extend(self.values())

    def give(self) -> dict[str, torch.Tensor]:
        """The matrices under PEFT's names, float32 on the CPU."""
        tensors = {}
        for name, adapter in self.items():
            tensors[f"{PREFIX}.{name}.lora_A.weight"] = adapter.down.detach().float().cpu()
            tensors[f"{PREFIX}.{name}.lora_B.weight"] = adapter.up.detach().float().cpu()
        return tensors

    @torch.no_grad()
    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Copies matrices under PEFT's names in. Raises KeyError or RuntimeError where they do not fit."""
        for name, adapter in self.items():
            fill(adapter.down, tensors[f"{PREFIX}.{name}.lora_A.weight"])
            fill(adapter.up, tensors[f"{PREFIX}.{name}.lora_B.weight"])

    @torch.no_grad()
    def merge(self) -> None:
        """Adds the updates to the weights, in float32 whatever the weights' type: rounded once."""
        for name, adapter in self.items():
            weight = matrix(self._layers[name])
            weight.copy_(weight + (adapter.up @ adapter.down * adapter.scale).float().to(weight.device))

    def detach(self) -> None:
        """Takes the adapters off the model."""
        for hook in self._hooks:
            hook.remove()
        self._model.adapters = nn.ModuleList()


def _adding(adapter: LowRank):  # type: ignore[no-untyped-def]  # torch's type of a hook is longer than the hook
    def add(_: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: torch.Tensor) -> torch.Tensor:
        return outputs + adapter(inputs[0])

    return add
