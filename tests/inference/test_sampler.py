"""Every row is chosen in its own way, as transformers' warpers would leave it."""

import pytest
import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from outcrop.inference.asking import Sampling
from outcrop.inference.sampler import LIKELIEST, choose


def sampling(**members: float) -> Sampling:
    return Sampling(max_tokens=1, seed=0, **members)  # type: ignore[arg-type]


def grid(count: int) -> list[float]:
    return [(at + 0.5) / count for at in range(count)]


def test_temperature_zero_and_top_k_one_take_the_likeliest() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [2.0, 0.0, 1.0]])
    assert choose(logits, [sampling(temperature=0.0), sampling(top_k=1)], [0.99, 0.99]) == [1, 0]


def test_draws_spread_as_transformers_warped_probabilities() -> None:
    logits = torch.randn(1, 12, generator=torch.Generator().manual_seed(1)) * 2
    warped = logits
    for warper in (TemperatureLogitsWarper(0.7), TopKLogitsWarper(8), TopPLogitsWarper(0.9)):
        warped = warper(None, warped)
    draws = grid(4000)
    way = sampling(temperature=0.7, top_k=8, top_p=0.9)
    chosen = choose(logits.expand(len(draws), -1), [way] * len(draws), draws)
    shares = torch.bincount(torch.tensor(chosen), minlength=12) / len(draws)
    torch.testing.assert_close(shares, warped.softmax(-1)[0], atol=1e-3, rtol=0)


def test_a_tiny_top_p_keeps_the_likeliest() -> None:
    logits = torch.tensor([[1.0, 1.5, 0.0]])
    assert {choose(logits, [sampling(top_p=1e-6)], [draw])[0] for draw in grid(10)} == {1}


def test_a_row_is_chosen_alike_in_any_company() -> None:
    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(2))
    ways = [sampling(temperature=0.5 + row / 5, top_k=row * 3, top_p=1 - row / 10) for row in range(6)]
    together = choose(logits, ways, grid(6))
    alone = [choose(logits[row : row + 1], [ways[row]], [grid(6)[row]])[0] for row in range(6)]
    assert together == alone


@pytest.mark.parametrize("top_p", [1.0, 0.5, 0.05])
def test_the_ranks_tried_first_change_nothing(top_p: float) -> None:
    flat = torch.randn(1, 3 * LIKELIEST, generator=torch.Generator().manual_seed(3)) / 5
    ranked = flat.double().softmax(-1).sort(descending=True)
    reached = ranked.values[0].cumsum(-1)
    last = int((reached < top_p).sum())
    for draw in grid(50):
        wanted = int((reached <= draw * reached[min(last, len(reached) - 1)]).sum())
        assert choose(flat, [sampling(top_p=top_p)], [draw]) == [int(ranked.indices[0, wanted])]
