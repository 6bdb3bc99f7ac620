"""The linear layers of any network, found by what they are, and what PEFT calls them. Knows no architecture by name."""

from collections.abc import Iterable

import torch
from torch import nn

from outcrop.domain.errors import CheckpointError
from outcrop.domain.plan import ALL_LINEAR, LoraPlan
from outcrop.modeling.quantized import QuantizedLinear
from outcrop.modeling.transformers_library import Network

PREFIX = "base_model.model"


def linear_layers(network: Network) -> dict[str, nn.Module]:
    """Every linear layer but the head, by its name in the network, in order."""
    head = network.get_output_embeddings()
    return {name: layer for name, layer in network.named_modules() if layer is not head and is_linear(layer)}


def is_linear(layer: nn.Module) -> bool:
    """Whether the layer is one matrix product (GPT-2's Conv1D is one too)."""
    return isinstance(layer, (nn.Linear, QuantizedLinear)) or is_transposed(layer)


def is_transposed(layer: nn.Module) -> bool:
    """Whether the weight lies as [inputs, outputs]. transformers need not be there for others to be asked."""
    return type(layer).__name__ == "Conv1D"


def matrix(layer: nn.Module) -> torch.Tensor:
    """The layer's weight, or a view of it, as [outputs, inputs]."""
    weight = layer.weight
    assert isinstance(weight, torch.Tensor)
    return weight.t() if is_transposed(layer) else weight


def sizes(layer: nn.Module) -> tuple[int, int]:
    """Outputs and inputs."""
    if isinstance(layer, QuantizedLinear):
        return layer.shape
    outputs, inputs = matrix(layer).shape
    return outputs, inputs


def spelled_out(network: Network, plan: LoraPlan) -> LoraPlan:
    """The plan with targets of this network: all linear layers, where it means all of a Llama's, else its own.

    Raises CheckpointError for a target that the network does not have.
    """
    names = list(linear_layers(network))
    if set(plan.targets) != set(ALL_LINEAR):
        _require(plan.targets, names)
        return plan
    targets = tuple(dict.fromkeys(_short(name) for name in names))
    if any(_matches(_head_name(network), target) for target in targets):
        targets = tuple(names)  # a short name would reach the head too
    return LoraPlan(rank=plan.rank, alpha=plan.alpha, dropout=plan.dropout, targets=targets)


def targeted(network: Network, targets: Iterable[str]) -> dict[str, nn.Module]:
    """The linear layers that PEFT's `target_modules` name."""
    wanted = tuple(targets)
    layers = linear_layers(network)
    return {name: layer for name, layer in layers.items() if any(_matches(name, target) for target in wanted)}


def _require(targets: Iterable[str], names: list[str]) -> None:
    """An adapter on some of what was asked for would be another adapter."""
    missing = [target for target in targets if not any(_matches(name, target) for name in names)]
    if missing:
        there = ", ".join(dict.fromkeys(_short(name) for name in names))
        raise CheckpointError(
            f"The checkpoint has no linear layer {', '.join(missing)}: it has {there}; "
            "hint: leave outcrop.loraTargets out for all of them"
        )


def _matches(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _short(name: str) -> str:
    """The last part of a name that is a word: layers of a plain sequence are called 0, 1, 2."""
    parts = name.split(".")
    return parts[-1] if not parts[-1].isdigit() else ".".join(parts[-2:])


def _head_name(network: Network) -> str:
    head = network.get_output_embeddings()
    return next((name for name, layer in network.named_modules() if layer is head), "")
