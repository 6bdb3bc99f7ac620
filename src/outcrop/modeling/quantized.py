"""Frozen weights in 4 bits (NF4, with quantised scales), as QLoRA keeps them: whole for each use, never kept whole.

Through bitsandbytes, which is loaded only here. Knows no adapters' names and no files.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

import torch
from torch import nn
from torch.nn.functional import dropout, linear

from outcrop.domain.errors import CheckpointError
from outcrop.modeling.llama import Llama, Projection
from outcrop.modeling.lora import Lora

BLOCK = 64  # values that share a scale: bitsandbytes' own choice, and the QLoRA paper's


class Stored:
    """One matrix [outputs, inputs] in 4 bits."""

    def __init__(self, weight: torch.Tensor) -> None:
        self.shape = (weight.shape[0], weight.shape[1])
        packed = _library().quantize_4bit(
            weight.contiguous(), blocksize=BLOCK, quant_type="nf4", compress_statistics=True
        )
        self._values, self._state = cast(tuple[torch.Tensor, Any], packed)

    def whole(self, dtype: torch.dtype) -> torch.Tensor:
        """The matrix as it is used: what 4 bits left of it, in `dtype`."""
        return cast(torch.Tensor, _library().dequantize_4bit(self._values, self._state)).to(dtype)


class _Product(torch.autograd.Function):
    """inputs @ weight.T without a gradient for the weight, which is made whole twice rather than kept."""

    @staticmethod
    def forward(context: Any, inputs: torch.Tensor, stored: Stored) -> torch.Tensor:
        context.stored = stored
        return linear(inputs, stored.whole(inputs.dtype))

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient @ context.stored.whole(gradient.dtype), None


class QuantizedLinear(nn.Module):
    """A frozen linear layer in 4 bits."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        super().__init__()
        self.stored = Stored(weight)
        self.register_buffer("bias", bias, persistent=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.stored.shape

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[..., inputs] -> [..., outputs]."""
        outputs = _Product.apply(inputs, self.stored)
        return outputs if self.bias is None else outputs + self.bias


class QuantizedProjection(nn.Module):
    """A Llama's projection in 4 bits; an adapter may join it, in full precision."""

    def __init__(self, projection: Projection, device: torch.device) -> None:
        super().__init__()
        self.inputs, self.sizes = projection.inputs, projection.sizes
        self.stored = Stored(projection.weight.detach().to(device))
        self.adapter: Lora | None = None

    @property
    def weight(self) -> torch.Tensor:
        """What 4 bits left of the weight, made whole."""
        return self.stored.whole(torch.float32)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[n, inputs] -> [n, sum of sizes]."""
        outputs = _Product.apply(inputs, self.stored)
        return outputs if self.adapter is None else _with_adapter(self.adapter, inputs, outputs)


def _with_adapter(adapter: Lora, inputs: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    heard = dropout(inputs, adapter.dropout, adapter.training) if adapter.dropout else inputs
    low = linear(heard, adapter.down.to(inputs.dtype)) * adapter.scale
    added = torch.zeros_like(outputs)
    for (start, stop), up, part in zip(adapter.spans, adapter.ups, low.chunk(len(adapter.ups), dim=1), strict=True):
        added[:, start:stop] = linear(part, up.to(inputs.dtype))
    return outputs + added


def quantize_llama(model: Llama, device: torch.device) -> None:
    """Every projection into 4 bits on `device`, in place; one whole matrix at a time."""
    for (number, group), projection in model.projections().items():
        setattr(model.layers[number], group.split(".")[1], QuantizedProjection(projection, device))


def quantize_layers(network: nn.Module, layers: Mapping[str, nn.Module], device: torch.device) -> None:
    """The named linear layers into 4 bits on `device`, in place."""
    for name, layer in layers.items():
        weight = cast(torch.Tensor, layer.weight).detach().to(device)
        if type(layer).__name__ == "Conv1D":
            weight = weight.t()
        bias = getattr(layer, "bias", None)
        parent, _, own = name.rpartition(".")
        quantized = QuantizedLinear(weight, None if bias is None else bias.detach().to(device))
        setattr(network.get_submodule(parent), own, quantized)


def is_available() -> bool:
    """Whether bitsandbytes is installed."""
    return importlib.util.find_spec("bitsandbytes") is not None


def _library() -> ModuleType:
    if not is_available():
        raise CheckpointError("QLoRA needs bitsandbytes; hint: pip install 'outcrop[qlora]'")
    return importlib.import_module("bitsandbytes.functional")
