"""Elementwise steps whose gradients are written by hand: fewer passes over memory and fewer nodes than autograd's.

Pure functions of tensors. Each keeps for the backward pass only what it cannot cheaply compute again.
"""

from typing import Any

import torch
from torch.nn.functional import linear, log_softmax, silu


def rms_norm(states: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Each row divided by its root mean square, times `weight`: [n, width] -> [n, width]."""
    return _RmsNorm.apply(states, weight, epsilon)


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) x up of the two halves of each row: [n, 2 x width] -> [n, width]."""
    return _Swiglu.apply(gate_up)


def head_loss(states: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The summed cross-entropy (nats, float32) of predicting `targets` [m] from `states` [m, width] through `head`.

    Logits exist for HEAD_ROWS rows at a time only, and never for the backward pass.
    """
    return _HeadLoss.apply(states, head, targets)


# Big enough for an efficient product, small enough that a vocabulary of 128,000 stays under 200 MB.
HEAD_ROWS = 384


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, states: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss = torch.zeros((), dtype=torch.float32, device=states.device)
        for_states = torch.empty_like(states) if context.needs_input_grad[0] else None
        for_head = torch.zeros_like(head) if context.needs_input_grad[1] else None
        for start in range(0, len(states), HEAD_ROWS):
            rows, wanted = states[start : start + HEAD_ROWS], targets[start : start + HEAD_ROWS].unsqueeze(1)
            logits = linear(rows, head)
            chances = log_softmax(logits, dim=-1, dtype=torch.float32)
            loss -= chances.gather(1, wanted).sum()
            if for_states is None and for_head is None:
                continue
            ones = chances.new_full((1, 1), -1.0).expand_as(wanted)
            for_logits = chances.exp_().scatter_add_(1, wanted, ones).to(logits.dtype)
            if for_states is not None:
                for_states[start : start + HEAD_ROWS] = torch.mm(for_logits, head.to(logits.dtype))
            if for_head is not None:
                for_head += torch.mm(for_logits.t(), rows.to(logits.dtype))
        context.save_for_backward(for_states, for_head)
        return loss

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return *(None if part is None else part * gradient for part in context.saved_tensors), None


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, states: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        exact = states.to(torch.promote_types(states.dtype, torch.float32))
        scale = torch.rsqrt(exact.pow(2).mean(-1, keepdim=True).add_(epsilon))
        unit = exact * scale
        context.save_for_backward(unit, scale, weight)
        context.dtype = states.dtype
        return (unit * weight).to(states.dtype)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        unit, scale, weight = context.saved_tensors
        for_weight = (gradient * unit).sum(0) if context.needs_input_grad[1] else None
        inner = gradient * weight
        along = (inner * unit).mean(-1, keepdim=True)
        return inner.addcmul_(unit, along, value=-1).mul_(scale).to(context.dtype), for_weight, None


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, gate_up: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        (gate_up,) = context.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        result = torch.empty_like(gate_up)
        for_gate, for_up = result.chunk(2, dim=-1)
        torch.mul(silu(gate), gradient, out=for_up)
        torch.ops.aten.silu_backward.grad_input(gradient * up, gate, grad_input=for_gate)
        return result
