"""One flat buffer steps as torch's AdamW with clipping does on the parameters themselves."""

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from outcrop.training.optimizer import BETAS, CLIP_NORM, WEIGHT_DECAY, Optimizer


def parameters() -> list[torch.nn.Parameter]:
    torch.manual_seed(3)
    return [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(5))]


def loss(held: list[torch.nn.Parameter]) -> torch.Tensor:
    return 3 * held[0].square().sum() + held[1].exp().sum()


def test_steps_equal_torchs() -> None:
    ours, theirs = parameters(), parameters()
    flat = Optimizer(ours)
    plain = torch.optim.AdamW(theirs, betas=BETAS, weight_decay=WEIGHT_DECAY)
    for rate in (0.1, 0.05, 0.01):
        loss(ours).backward()
        flat.step(rate)
        plain.zero_grad()
        loss(theirs).backward()
        torch.nn.utils.clip_grad_norm_(theirs, CLIP_NORM)
        plain.param_groups[0]["lr"] = rate
        plain.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_parameter_that_is_no_number_is_noticed(value: float) -> None:
    held = parameters()
    flat = Optimizer(held)
    assert flat.finite()
    held[1].data[2] = value
    assert not flat.finite()


class Born(TorchDispatchMode):
    """Counts the numbers of the tensors that are made meanwhile, not of other names for one."""

    numbers = 0

    def __torch_dispatch__(self, operation: Any, types: Any, inputs: Any = (), named: Any = None) -> Any:
        made = operation(*inputs, **(named or {}))
        outputs = made if isinstance(made, tuple) else (made,)
        known = {each.data_ptr() for each in inputs if isinstance(each, torch.Tensor)}
        fresh = [each for each in outputs if isinstance(each, torch.Tensor) and each.data_ptr() not in known]
        self.numbers += sum(each.numel() for each in fresh)
        return made


def test_to_look_for_what_is_no_number_copies_no_parameter() -> None:
    """All weights of a large model once more, for a moment after each epoch, were its run's peak."""
    flat = Optimizer([torch.nn.Parameter(torch.randn(1000))])
    with Born() as born:
        assert flat.finite()
    assert 0 < born.numbers < 10


@pytest.mark.parametrize("size", [0.0, 1e-3, 0.3, 1.0, 1.7, 40.0, 1e6])
def test_clipping_on_the_device_gives_the_bits_of_clipping_on_the_host(size: float) -> None:
    torch.manual_seed(5)
    drawn = torch.randn(50, 101)
    for gradient in drawn * (size / drawn.norm(dim=1, keepdim=True)):
        held = torch.nn.Parameter(torch.zeros(101))
        flat = Optimizer([held])
        assert held.grad is not None
        held.grad.copy_(gradient)
        flat.step(0.1)
        norm = float(torch.linalg.vector_norm(gradient))
        clipped = gradient * (CLIP_NORM / norm) if norm > CLIP_NORM else gradient
        assert torch.equal(flat.state()["exp_avg"], torch.zeros(101).lerp(clipped, 1 - BETAS[0]))


def test_a_gradient_that_is_no_number_spoils_the_step_for_all_to_see() -> None:
    held = parameters()
    flat = Optimizer(held)
    assert held[1].grad is not None
    held[1].grad[2] = torch.nan
    flat.step(0.1)
    assert not flat.finite()


def test_another_models_state_is_refused_and_changes_nothing() -> None:
    flat, other = Optimizer(parameters()), Optimizer(parameters()[:1])
    before = flat.values.detach().clone()
    with pytest.raises(RuntimeError, match="12 parameters do not fit 17"):
        flat.load(other.state())
    assert torch.equal(flat.values, before)
