"""Chooses tokens from logits. Knows no answer: each row brings its own way of choosing and its own number in [0, 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from outcrop.inference.asking import Sampling


def choose(logits: Tensor, samplings: Sequence[Sampling], draws: Sequence[float]) -> list[int]:
    """One token for each row of [rows, vocabulary].

    As Hugging Face does it: temperature, then the `top_k` likeliest, then the smallest set of those whose probabilities
    reach `top_p` (the likeliest always stays). The draw picks from what is left, likeliest first.
    """
    chosen: list[int] = logits.argmax(-1).tolist()
    sampled = [row for row, sampling in enumerate(samplings) if not sampling.greedy]
    if sampled:
        picked = _sample(logits[sampled], [samplings[row] for row in sampled], [draws[row] for row in sampled])
        for row, token in zip(sampled, picked, strict=True):
            chosen[row] = token
    return chosen


def _sample(logits: Tensor, samplings: Sequence[Sampling], draws: Sequence[float]) -> list[int]:
    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits.device)[:, None]

    size = logits.shape[-1]
    ranked, tokens = (logits.double() / column([s.temperature for s in samplings])).sort(descending=True, stable=True)
    ranks = torch.arange(size, device=logits.device)[None]
    ranked = ranked.masked_fill(ranks >= column([s.top_k or size for s in samplings]), -torch.inf)
    shares = ranked.softmax(-1)
    before = shares.cumsum(-1) - shares
    shares = shares.masked_fill((before >= column([s.top_p for s in samplings])) & (ranks > 0), 0.0)
    reached = shares.cumsum(-1)
    ranks_drawn = (reached <= reached[:, -1:] * column(draws)).sum(-1, keepdim=True).clamp(max=size - 1)
    drawn: list[int] = tokens.gather(-1, ranks_drawn)[:, 0].tolist()
    return drawn
