"""Matrix products by the faster of the libraries that torch brings. Knows nothing of what is multiplied."""

import functools
from typing import Any

import torch

from outcrop.modeling.compiler import processor


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """left [n, k] times right [k, m], of one type: what torch.mm answers, to rounding."""
    if left.dtype == torch.float32 and left.device.type == "cpu" and _dense(right) and onednn_is_faster():
        return by_onednn(left, right)
    return torch.mm(left, right)


def by_onednn(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """left [n, k] times right [k, m], float32 on a CPU, wherever torch is built with oneDNN."""
    made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")
    return made


def _dense(right: torch.Tensor) -> bool:
    """Whether it lies without gaps: oneDNN takes a thousand times as long over a right factor that does not."""
    return right.is_contiguous() or right.t().is_contiguous()


def linear(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """inputs [n, k] times weight [m, k], computed in the inputs' type; gradients have the type of what they are for."""
    return _Linear.apply(inputs, weight)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        narrow = weight.to(inputs.dtype)
        context.save_for_backward(inputs, narrow)
        context.weight_type = weight.dtype
        return product(inputs, narrow.t())

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        inputs, weight = context.saved_tensors
        for_inputs = product(gradient, weight) if context.needs_input_grad[0] else None
        wanted = context.needs_input_grad[1]
        return for_inputs, product(gradient.t(), inputs).to(context.weight_type) if wanted else None


@functools.cache
def onednn_is_faster() -> bool:
    """Whether oneDNN's float32 products (full precision) outrun MKL's, which torch.mm takes.

    MKL leaves half of an AMD processor's vector width unused; on Intel's the two are even.
    """
    return (
        "AuthenticAMD" in processor()
        and "avx512f" in processor()
        and torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
