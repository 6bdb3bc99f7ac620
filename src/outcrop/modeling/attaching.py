"""Adapters and quantisation for whichever model it is: the one place that asks. Knows no files."""

from collections.abc import Mapping

import torch

from outcrop.domain.plan import LoraPlan
from outcrop.modeling import lora, quantized
from outcrop.modeling.adapters import GeneralAdapter
from outcrop.modeling.general import General
from outcrop.modeling.linear_layers import linear_layers, spelled_out
from outcrop.modeling.llama import Llama
from outcrop.modeling.model import Attached, CausalModel


def spelled_out_for(model: CausalModel, plan: LoraPlan) -> LoraPlan:
    """The plan with targets as this model's layers are called."""
    return spelled_out(model.network, plan) if isinstance(model, General) else plan


def attach(model: CausalModel, plan: LoraPlan, seed: int) -> Attached | None:
    """Freezes `model` and adds a fresh adapter; None where it has none of the targets."""
    if isinstance(model, General):
        return GeneralAdapter(model, plan, seed) or None
    assert isinstance(model, Llama)
    adapters = lora.attach(model, plan, seed)
    model.to(model.device)
    return LlamaAdapter(model, adapters, plan) if adapters else None


def quantize(model: CausalModel, device: torch.device) -> None:
    """Moves the model to `device`, every linear layer but the head frozen in 4 bits.

    Raises CheckpointError without bitsandbytes.
    """
    if isinstance(model, General):
        quantized.quantize_layers(model.network, linear_layers(model.network), device)
        model.to(device)
    else:
        assert isinstance(model, Llama)
        quantized.quantize_llama(model, device)
        model.to(device)


class LlamaAdapter(dict[tuple[int, str], lora.Lora]):
    """The hot path's adapters by projection, with the plan that names them."""

    def __init__(self, model: Llama, adapters: Mapping[tuple[int, str], lora.Lora], plan: LoraPlan) -> None:
        super().__init__(adapters)
        self._model, self._plan = model, plan

    def give(self) -> dict[str, torch.Tensor]:
        """The matrices under PEFT's names, float32 on the CPU."""
        return lora.give(self, self._plan.targets)

    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Copies matrices under PEFT's names in. Raises KeyError or RuntimeError where they do not fit."""
        lora.take(self, self._plan.targets, tensors)

    def merge(self) -> None:
        """Adds the updates to the weights."""
        lora.merge(self._model, self)

    def detach(self) -> None:
        """Takes the adapters off the model."""
        lora.detach(self._model)
