"""Rows are laid end to end, each counting its own positions."""

import torch

from outcrop.modeling.packed import ROWS_MULTIPLE, Heads, Packed, attend, rounded_up


def test_positions_begin_anew_in_each_row() -> None:
    packed = Packed.of([torch.tensor([7, 8, 9]), torch.tensor([5]), torch.tensor([1, 2])])
    assert packed.tokens.tolist() == [7, 8, 9, 5, 1, 2]
    assert packed.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert packed.lengths == (3, 1, 2)


def test_attention_looks_back_within_a_row_only() -> None:
    heads, unturned = Heads(2, 1, 4), torch.stack((torch.ones(9, 2), torch.zeros(9, 2)))
    rows = [torch.zeros(length, dtype=torch.int64) for length in (4, 2)]
    qkv = torch.randn(6, 16)
    together = attend(qkv, unturned, Packed.of(rows), heads)
    apart = [attend(part, unturned, Packed.of([row]), heads) for part, row in zip(qkv.split((4, 2)), rows, strict=True)]
    torch.testing.assert_close(together, torch.cat(apart))
    torch.testing.assert_close(together[4].view(2, 4), qkv[4, 12:].expand(2, 4))


def test_rounding_up_adds_a_row_that_is_no_part_of_the_others() -> None:
    packed, wanted = rounded_up(Packed.of([torch.tensor([7, 8, 9]), torch.tensor([5])]), torch.tensor([1, 3]))
    assert (len(packed.tokens), packed.lengths) == (ROWS_MULTIPLE, (3, 1, ROWS_MULTIPLE - 4))
    assert packed.positions.tolist() == [0, 1, 2, 0, *range(ROWS_MULTIPLE - 4)]
    assert wanted is not None and wanted.tolist() == [1, 3, *[0] * (ROWS_MULTIPLE - 2)]
    assert rounded_up(packed, None) == (packed, None)
