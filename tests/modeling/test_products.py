"""Products are torch's, whichever library makes them."""

from collections.abc import Callable

import pytest
import torch

from outcrop.modeling.products import by_onednn, linear, product


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("way", [by_onednn, product], ids=["onednn", "the faster"])
def test_a_product_is_torchs(way: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    if way is by_onednn and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch is built without oneDNN")
    wide = numbers(70, 90)
    for left, right in [
        (numbers(5, 70), wide),
        (numbers(70, 5).t(), wide),
        (numbers(5, 90), wide.t()),
        (numbers(5, 99)[:, 9:], wide.t()),
        (numbers(5, 70), wide[:, 20:40]),
    ]:
        torch.testing.assert_close(way(left, right), left @ right, atol=1e-4, rtol=1e-4)


def test_linear_gradients() -> None:
    inputs, weight = numbers(4, 3).double().requires_grad_(), numbers(5, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(linear, (inputs, weight))


def test_a_narrow_product_has_a_wide_weights_gradient() -> None:
    inputs, weight = numbers(4, 3).bfloat16(), numbers(5, 3).requires_grad_()
    outputs = linear(inputs, weight)
    outputs.sum().backward()
    assert (outputs.dtype, weight.grad.dtype if weight.grad is not None else None) == (torch.bfloat16, torch.float32)
