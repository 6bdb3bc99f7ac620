"""Elementwise steps whose gradients are written by hand: fewer passes over memory and fewer nodes than autograd's.

Pure functions of tensors. Each keeps for the backward pass only what it cannot cheaply compute again.
"""

import torch
from torch.nn.functional import silu


def rms_norm(states: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Each row divided by its root mean square, times `weight`: [n, width] -> [n, width]."""
    return _RmsNorm.apply(states, weight, epsilon)


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) x up of the two halves of each row: [n, 2 x width] -> [n, width]."""
    return _Swiglu.apply(gate_up)


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(context, states: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        scale = torch.rsqrt(states.pow(2).mean(-1, keepdim=True).add_(epsilon))
        unit = states * scale
        context.save_for_backward(unit, scale, weight)
        return unit * weight

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        unit, scale, weight = context.saved_tensors
        for_weight = (gradient * unit).sum(0) if context.needs_input_grad[1] else None
        inner = gradient * weight
        along = (inner * unit).mean(-1, keepdim=True)
        return inner.addcmul_(unit, along, value=-1).mul_(scale), for_weight, None


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(context, gate_up: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> torch.Tensor:
        (gate_up,) = context.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        result = torch.empty_like(gate_up)
        for_gate, for_up = result.chunk(2, dim=-1)
        torch.mul(silu(gate), gradient, out=for_up)
        torch.ops.aten.silu_backward.grad_input(gradient * up, gate, grad_input=for_gate)
        return result
