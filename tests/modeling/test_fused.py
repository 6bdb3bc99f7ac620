"""Gradients written by hand equal autograd's numerical ones."""

import torch

from outcrop.modeling.fused import add_norm, head_loss, swiglu
from outcrop.modeling.rope import Turn


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(len(shape)))


def test_norm_gradients() -> None:
    stream, weight = numbers(5, 8).requires_grad_(), numbers(8).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: add_norm(a, None, b, 1e-5, a.dtype)[1], (stream, weight))


def test_norm_gradients_of_a_stream_that_is_added_to() -> None:
    stream, update, weight = numbers(5, 8).requires_grad_(), numbers(5, 8).requires_grad_(), numbers(8).requires_grad_()

    def both(*given: torch.Tensor) -> torch.Tensor:
        total, normed = add_norm(*given, 1e-5, torch.float64)
        return total.sin() + normed.cos()

    assert torch.autograd.gradcheck(both, (stream, update, weight))


def test_a_narrow_norm_whose_normed_rows_nobody_used_sends_back_the_streams_gradient() -> None:
    stream, weight = numbers(5, 8).float().requires_grad_(), numbers(8).float()
    total, normed = add_norm(stream, None, weight, 1e-5, torch.bfloat16)
    assert normed.dtype == torch.bfloat16
    total.sum().backward()
    assert stream.grad is not None and torch.equal(stream.grad, torch.ones(5, 8))


def test_a_loss_that_is_only_measured_makes_no_gradient() -> None:
    """A validation of whole weights would make the head's, which is as large as the head."""
    head = torch.nn.Parameter(numbers(6, 8))
    states, targets = numbers(4, 8), torch.arange(4)
    sizes = []
    with torch.no_grad(), torch.profiler.profile(record_shapes=True) as profile:
        head_loss(states, head, targets)
    for event in profile.events():
        sizes += [shape for shape in event.input_shapes if event.name == "aten::add_"]
    assert [6, 8] not in sizes


def test_swiglu_gradients() -> None:
    assert torch.autograd.gradcheck(swiglu, (numbers(5, 12).requires_grad_(),))


def test_rotation_gradients() -> None:
    angles = numbers(5, 1, 4)
    heads = numbers(5, 3, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: Turn.apply(a, angles.cos(), angles.sin()), (heads,))


def test_head_loss_gradients_equal_cross_entropy() -> None:
    states, head = numbers(900, 6).requires_grad_(), numbers(11, 6).requires_grad_()
    targets = torch.arange(900) % 11
    expected = torch.nn.functional.cross_entropy(states @ head.t(), targets, reduction="sum")
    wanted = torch.autograd.grad(expected, (states, head))
    loss = head_loss(states, head, targets)
    torch.testing.assert_close(loss.double(), expected.detach(), atol=1e-2, rtol=1e-5)
    for found, right in zip(torch.autograd.grad(loss, (states, head)), wanted, strict=True):
        torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-4)
