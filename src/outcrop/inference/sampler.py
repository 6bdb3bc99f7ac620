"""Chooses tokens from logits. Knows no answer: each row brings its own way of choosing and its own number in [0, 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from outcrop.inference.asking import Sampling

LIKELIEST = 1024
"""Ranks tried first: the smallest set that reaches top_p 0.9 is rarely larger."""


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
    """Ranking a whole vocabulary costs more than a small model's step: first try the likeliest few alone."""
    picked = _among(logits, samplings, draws, min(LIKELIEST, logits.shape[-1]))
    missed = [row for row, token in enumerate(picked) if token is None]
    if missed:
        every = logits.shape[-1]
        found = _among(logits[missed], [samplings[row] for row in missed], [draws[row] for row in missed], every)
        for row, token in zip(missed, found, strict=True):
            picked[row] = token
    assert None not in picked
    return [token for token in picked if token is not None]


def _among(logits: Tensor, samplings: Sequence[Sampling], draws: Sequence[float], count: int) -> list[int | None]:
    """One token for each row, or None where `count` ranks do not hold all that the row may choose from."""

    def column(values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=logits.device)[:, None]

    size = logits.shape[-1]
    scaled = logits.double() / column([sampling.temperature for sampling in samplings])
    top_k, top_p = column([s.top_k or size for s in samplings]), column([s.top_p for s in samplings])
    ranked, tokens = scaled.topk(count)
    ranks = torch.arange(count, device=logits.device)[None]
    ranked = ranked.masked_fill(ranks >= top_k, -torch.inf)
    whole = torch.where(top_k <= count, ranked.logsumexp(-1, keepdim=True), scaled.logsumexp(-1, keepdim=True))
    shares = (ranked - whole).exp()
    reached = shares.cumsum(-1)
    complete = (top_k <= count) | (reached[:, -1:] >= top_p) | (count == size)
    kept = shares.masked_fill((reached - shares >= top_p) & (ranks > 0), 0.0).cumsum(-1)
    drawn = (kept <= kept[:, -1:] * column(draws)).sum(-1, keepdim=True).clamp(max=count - 1)
    found = tokens.gather(-1, drawn)
    return [token if sure else None for [token], [sure] in zip(found.tolist(), complete.tolist(), strict=True)]
