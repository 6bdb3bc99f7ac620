"""Rows are laid end to end, each counting its own positions."""

import torch

from outcrop.modeling.packed import Packed, attend


def test_positions_begin_anew_in_each_row() -> None:
    packed = Packed.of([torch.tensor([7, 8, 9]), torch.tensor([5]), torch.tensor([1, 2])])
    assert packed.tokens.tolist() == [7, 8, 9, 5, 1, 2]
    assert packed.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert packed.lengths == (3, 1, 2)


def test_attention_looks_back_within_a_row_only() -> None:
    turned, values = torch.randn(6, 3, 4), torch.randn(6, 1, 4)
    together = attend(turned, values, (4, 2))
    apart = torch.cat([attend(turned[:4], values[:4], (4,)), attend(turned[4:], values[4:], (2,))])
    torch.testing.assert_close(together, apart)
    torch.testing.assert_close(together[4].view(2, 4), values[4].expand(2, 4))
