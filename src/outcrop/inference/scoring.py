"""How likely given tokens are after the states of those before them. Knows nothing of answers or of who asks."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from outcrop.inference.asking import Scored

PLACES_AT_ONCE = 128  # logits of a vocabulary of 128,000 for this many places are 66 MB


def score(
    logits: Callable[[Tensor], Tensor], states: Tensor, tokens: Sequence[int], likeliest: int
) -> list[tuple[Scored, ...]]:
    """For each state [n, hidden]: the token that follows it, then the `likeliest` others in order."""
    found: list[tuple[Scored, ...]] = []
    for start in range(0, len(tokens), PLACES_AT_ONCE):
        part = tokens[start : start + PLACES_AT_ONCE]
        found += _scored(logits(states[start : start + len(part)]), part, likeliest)
    return found


def _scored(logits: Tensor, tokens: Sequence[int], likeliest: int) -> Iterator[tuple[Scored, ...]]:
    chances = logits.float().log_softmax(-1)  # [n, vocabulary]
    own = chances.gather(1, torch.tensor(tokens, device=logits.device)[:, None])  # [n, 1]
    ranks = (chances > own).sum(-1) + 1
    best, best_tokens = chances.topk(min(likeliest, chances.shape[-1]))
    rows = zip(tokens, own[:, 0].tolist(), ranks.tolist(), best_tokens.tolist(), best.tolist(), strict=True)
    for token, chance, rank, others, their_chances in rows:
        ranked = enumerate(zip(others, their_chances, strict=True), start=1)
        yield (
            Scored(token, chance, rank),
            *(Scored(other, value, place) for place, (other, value) in ranked if other != token),
        )
