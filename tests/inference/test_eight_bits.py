"""Rounding to 8 bits loses half a step at most, and the product is that of what was left."""

import torch

from outcrop.inference.eight_bits import GROUP, LARGEST, RoundedMatrix, product

RANDOM = torch.Generator().manual_seed(0)


def test_rounding_moves_no_weight_by_more_than_half_a_step() -> None:
    weight = torch.randn(5, 2 * GROUP + 9, generator=RANDOM)
    weight[3] = 0.0
    kept = RoundedMatrix.of(weight)
    steps = kept.scales.repeat_interleave(GROUP, 1)[:, : weight.shape[1]]
    assert kept.whole().shape == weight.shape
    assert bool(((kept.whole() - weight).abs() <= steps * 0.5001).all())
    assert kept.values.dtype == torch.int8
    assert int(kept.values.abs().max()) == LARGEST


def test_a_product_is_that_of_both_sides_rounded() -> None:
    weight, tokens = torch.randn(7, 150, generator=RANDOM), torch.randn(4, 150, generator=RANDOM)
    kept = RoundedMatrix.of(weight)
    wanted = RoundedMatrix.of(tokens).whole() @ kept.whole().t()
    torch.testing.assert_close(product(tokens, kept), wanted, atol=1e-4, rtol=1e-5)


def test_an_outlier_costs_its_own_group_alone() -> None:
    tokens = torch.ones(1, 2 * GROUP)
    tokens[0, 0] = 1e4
    left = RoundedMatrix.of(tokens).whole()
    assert bool((left[0, 1:GROUP] == 0.0).all())
    torch.testing.assert_close(left[0, GROUP:], tokens[0, GROUP:])
