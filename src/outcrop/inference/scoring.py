"""How likely given tokens are after the states of those before them, or in given logits. Knows nothing of who asks."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from outcrop.inference.asking import Scored
from outcrop.inference.scheduler import Answer

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


def score_choices(logits: Tensor, answers: Sequence[Answer], chosen: Sequence[int]) -> None:
    """Adds to each answer that asked for it how likely its token was in its row of logits [answers, vocabulary].

    Whatever the temperature: the scores are the model's own.
    """
    rows = [row for row, answer in enumerate(answers) if answer.sampling.logprobs is not None]
    if not rows:
        return
    most = max(answers[row].sampling.logprobs or 0 for row in rows)
    for row, (own, *others) in zip(rows, _scored(logits[rows], [chosen[row] for row in rows], most), strict=True):
        likeliest = answers[row].sampling.logprobs or 0
        answers[row].scores.append((own, *(other for other in others if other.rank <= likeliest)))


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
