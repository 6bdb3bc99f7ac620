"""One flat buffer steps as torch's AdamW with clipping does on the parameters themselves."""

import pytest
import torch

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


def test_a_parameter_that_is_no_number_is_noticed() -> None:
    held = parameters()
    flat = Optimizer(held)
    assert flat.finite()
    held[1].data[2] = torch.nan
    assert not flat.finite()


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
