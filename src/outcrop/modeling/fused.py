"""Steps between matrix products whose gradients are written by hand: compiled where that can be, else in torch.

Pure functions of tensors. Each keeps for the backward pass only what it cannot cheaply compute again.
"""

from typing import Any

import torch
from torch.nn.functional import log_softmax, silu

from outcrop.modeling import kernels
from outcrop.modeling.products import product


def add_norm(
    stream: torch.Tensor, update: torch.Tensor | None, weight: torch.Tensor, epsilon: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """stream + update; and each of its rows divided by its root mean square, times `weight`, as `dtype`.

    [n, width] each. The stream is float32 or wider, the update may be narrower; None: there is nothing to add.
    """
    return _AddNorm.apply(stream, update, weight, epsilon, dtype)


def swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) x up of the two halves of each row: [n, 2 x width] -> [n, width]."""
    return _Swiglu.apply(gate_up)


def head_loss(states: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The summed cross-entropy (nats, float32) of predicting `targets` [m] from `states` [m, width] through `head`.

    States past the targets' number are not looked at. Logits have the states' type, exist for HEAD_ROWS rows at a time
    only, and never for the backward pass.
    """
    if not torch.is_grad_enabled():  # a parameter asks for its gradient all the same
        states, head = states.detach(), head.detach()
    return _HeadLoss.apply(states, head, targets)


# Big enough for an efficient product, small enough that a vocabulary of 128,000 stays under 200 MB.
HEAD_ROWS = 384


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, states: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        cross_entropy = kernels.cross_entropy if kernels.usable(states) else _cross_entropy
        loss = torch.zeros((), dtype=torch.float64, device=states.device)
        for_states = torch.empty_like(states) if context.needs_input_grad[0] else None
        for_head = torch.zeros_like(head) if context.needs_input_grad[1] else None
        matrix = head.to(states.dtype)
        for start in range(0, len(states), HEAD_ROWS):
            rows = states[start : start + HEAD_ROWS]
            logits = product(rows, matrix.t())
            answers = targets[start : start + HEAD_ROWS]
            loss += cross_entropy(logits[: len(answers)], answers).sum(dtype=torch.float64)
            logits[len(answers) :] = 0
            if for_states is not None:
                for_states[start : start + HEAD_ROWS] = product(logits, matrix)
            if for_head is not None:
                for_head += product(logits.t(), rows)
        context.save_for_backward(for_states, for_head)
        return loss.float()

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return *(None if part is None else part * gradient for part in context.saved_tensors), None


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        stream: torch.Tensor,
        update: torch.Tensor | None,
        weight: torch.Tensor,
        epsilon: float,
        dtype: torch.dtype,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        step = kernels.add_norm if kernels.usable(stream) else _add_norm
        exact = weight.to(stream.dtype)
        total, normed, inverse = step(stream, update, exact, epsilon, dtype)
        context.save_for_backward(total, exact, inverse)
        context.updated, context.weight_type = None if update is None else update.dtype, weight.dtype
        context.activations = dtype
        context.set_materialize_grads(False)
        return total, normed

    @staticmethod
    def backward(
        context: Any, for_total: torch.Tensor | None, for_normed: torch.Tensor | None
    ) -> tuple[torch.Tensor | None, ...]:
        total, weight, inverse = context.saved_tensors
        if for_normed is None:
            for_normed = torch.zeros_like(total, dtype=context.activations)
        for_weight = None
        if context.needs_input_grad[2]:
            for_weight = (for_normed * (total * inverse)).sum(0).to(context.weight_type)
        if not any(context.needs_input_grad[:2]):
            return None, None, for_weight, None, None
        step = kernels.add_norm_back if kernels.usable(total) else _add_norm_back
        for_stream, for_update = step(for_normed, for_total, total, weight, inverse, context.updated)
        return for_stream, for_update, for_weight, None, None


class _Swiglu(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, gate_up: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(gate_up)
        return (kernels.swiglu if kernels.usable(gate_up) else _swiglu)(gate_up)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        (gate_up,) = context.saved_tensors
        return (kernels.swiglu_back if kernels.usable(gate_up) else _swiglu_back)(gate_up, gradient)


def _cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    wanted = targets.unsqueeze(1)
    chances = log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    losses = -chances.gather(1, wanted).squeeze(1)
    logits.copy_(chances.exp_().scatter_add_(1, wanted, chances.new_full((1, 1), -1.0).expand_as(wanted)))
    return losses


def _add_norm(
    stream: torch.Tensor, update: torch.Tensor | None, weight: torch.Tensor, epsilon: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    total = stream if update is None else stream + update
    inverse = torch.rsqrt(total.pow(2).mean(-1, keepdim=True).add_(epsilon))
    return total, (total * inverse).mul_(weight).to(dtype), inverse


def _add_norm_back(
    for_normed: torch.Tensor,
    for_total: torch.Tensor | None,
    total: torch.Tensor,
    weight: torch.Tensor,
    inverse: torch.Tensor,
    updated: torch.dtype | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    inner, unit = for_normed * weight, total * inverse
    along = (inner * unit).mean(-1, keepdim=True)
    for_stream = inner.addcmul_(unit, along, value=-1).mul_(inverse)
    if for_total is not None:
        for_stream.add_(for_total)
    return for_stream, None if updated is None else for_stream.to(updated)


def _swiglu(gate_up: torch.Tensor) -> torch.Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    return silu(gate).mul_(up)


def _swiglu_back(gate_up: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    gate, up = gate_up.chunk(2, dim=-1)
    result = torch.empty_like(gate_up)
    for_gate, for_up = result.chunk(2, dim=-1)
    torch.mul(silu(gate), gradient, out=for_up)
    torch.ops.aten.silu_backward.grad_input(gradient * up, gate, grad_input=for_gate)
    return result
