"""Rows go in one call where a card can, and row by row elsewhere, to the same effect."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from outcrop.modeling import row_attention
from outcrop.modeling.row_attention import attend_rows, bounds, obstacle

LENGTHS = (5, 1, 7)
AMPERE = (8, 0)


def drawn(device: str, dtype: torch.dtype) -> list[torch.Tensor]:
    """Queries of four heads of 16, keys and values of two, over three rows."""
    torch.manual_seed(0)
    return [torch.randn(13, heads, 16, device=device, dtype=dtype, requires_grad=True) for heads in (4, 2, 2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_row_by_row_equals_one_attention_under_a_mask(dtype: torch.dtype) -> None:
    number = torch.repeat_interleave(torch.arange(3), torch.tensor(LENGTHS))
    mask = (number[:, None] == number) & torch.ones(13, 13, dtype=torch.bool).tril()
    inputs, same = drawn("cpu", dtype), [part.detach().float().requires_grad_() for part in drawn("cpu", dtype)]
    masked = scaled_dot_product_attention(
        *(part.transpose(0, 1)[None] for part in same), attn_mask=mask, enable_gqa=True
    )
    found, expected = attend_rows(*inputs, LENGTHS), masked[0].transpose(0, 1)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected.to(dtype))
    weights = torch.randn(13, 4, 16)
    gradients, wanted = (
        torch.autograd.grad((mixed.float() * weights).sum(), of) for mixed, of in ((found, inputs), (expected, same))
    )
    for gradient, exact in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient, exact.to(dtype), rtol=2e-2 if dtype == torch.bfloat16 else 1e-5, atol=1e-2)


def test_a_rows_bounds_are_made_once_a_piece() -> None:
    made = bounds(LENGTHS, torch.device("cpu"))
    assert (made.tolist(), made.dtype) == ([0, 5, 6, 13], torch.int32)
    assert bounds(LENGTHS, torch.device("cpu")) is made


def test_this_torch_takes_all_rows_in_one_call_and_gives_every_gradient() -> None:
    """Shapes only: its kernel needs a card, but what it accepts and answers is checked without one."""
    assert row_attention._torch_has_it()
    inputs = drawn("meta", torch.bfloat16)
    mixed = row_attention._at_once(*inputs, LENGTHS)
    assert (mixed.shape, mixed.dtype) == ((13, 4, 16), torch.bfloat16)
    gradients = torch.autograd.grad(mixed.sum(), inputs)
    assert [gradient.shape for gradient in gradients] == [part.shape for part in inputs]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ((True, AMPERE, torch.bfloat16, 128), None),
        ((True, (9, 0), torch.float16, 64), None),
        ((False, AMPERE, torch.bfloat16, 128), "this torch was built without flash attention"),
        ((True, (7, 5), torch.float16, 64), "a card of capability (7, 5) has no kernel for it"),
        ((True, AMPERE, torch.float32, 64), "the kernel computes in 16 bits, not in torch.float32"),
        ((True, AMPERE, torch.bfloat16, 256), "the kernel takes no heads of 256"),
        ((True, AMPERE, torch.bfloat16, 20), "the kernel takes no heads of 20"),
    ],
)
def test_what_stands_in_the_way_is_said(
    asked: tuple[bool, tuple[int, int], torch.dtype, int], reason: str | None
) -> None:
    assert obstacle(*asked) == reason
