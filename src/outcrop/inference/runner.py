"""Do: runs a decided step on tensors and says which tokens were chosen. The only file that joins plan and tensors."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch

from outcrop.inference.cache import Cache
from outcrop.inference.kept_blocks import KeptBlocks
from outcrop.inference.models import Model, Network
from outcrop.inference.places import Patched, Place
from outcrop.inference.sampler import choose
from outcrop.inference.scheduler import Span, Step
from outcrop.inference.scoring import score, score_choices


class Runner:
    """Runs steps against one cache. Spans of models that share weights run in one forward pass."""

    def __init__(self, cache: Cache, kept: KeptBlocks | None = None) -> None:
        """`kept`: where beginnings of prompts lie; None: the scheduler keeps none."""
        self._cache = cache
        self._kept = kept

    @torch.inference_mode()
    def do(self, step: Step) -> list[int]:
        """The token chosen for each span that chooses, in the step's order."""
        self._cache.prepare(step.moves, step.rows, step.length)
        if self._kept is not None:
            self._kept.fill(self._cache, step.fills)
        chosen: dict[int, int] = {}
        for network, spans in _by_weights(step.spans).items():
            choosing = [span for span in spans if span.chooses]
            chosen.update(zip(map(id, choosing), self._run(network, spans), strict=True))
        if self._kept is not None:
            self._kept.keep(self._cache, step.keeps)
        return [chosen[id(span)] for span in step.spans if span.chooses]

    def rest(self) -> None:
        """Rows hold nothing of whoever ended, and the cache's memory is kept for the next: nothing is let go."""

    def _run(self, network: Network, spans: Sequence[Span]) -> list[int]:
        places = [Place(span.answer.row, span.start, len(span.tokens)) for span in spans]
        tokens = [token for span in spans for token in span.tokens]
        states = network.forward(tokens, places, self._cache, _patched(spans))
        _score_prompts(network, states, spans)
        choosing = [span for span in spans if span.chooses]
        if not choosing:
            return []
        logits = network.logits(states[_last_tokens(spans)])
        chosen = choose(logits, [span.answer.sampling for span in choosing], [span.draw for span in choosing])
        score_choices(logits, [span.answer for span in choosing], chosen)
        return chosen


def _score_prompts(network: Network, states: torch.Tensor, spans: Sequence[Span]) -> None:
    """Where it was asked for: how likely each token of a prompt is after those before it."""
    at = 0
    for span in spans:
        prompt, likeliest = span.answer.prompt, span.answer.sampling.prompt_logprobs
        if likeliest is not None:
            following = prompt[span.start + 1 : span.start + 1 + len(span.tokens)]
            span.answer.prompt_scores += score(network.logits, states[at : at + len(following)], following, likeliest)
        at += len(span.tokens)


def _by_weights(spans: Sequence[Span]) -> dict[Network, list[Span]]:
    groups: dict[Network, list[Span]] = {}
    for span in spans:
        groups.setdefault(_model(span).network, []).append(span)
    return groups


def _patched(spans: Sequence[Span]) -> list[Patched[Any]]:
    """The slices of the flat tokens that an adapter is for."""
    found, at = [], 0
    for model, group in groupby(spans, _model):
        count = sum(len(span.tokens) for span in group)
        if model.adapter is not None:
            found.append(Patched(at, at + count, model.adapter))
        at += count
    return found


def _last_tokens(spans: Sequence[Span]) -> list[int]:
    """Where the last token lies of each span that chooses."""
    found, at = [], 0
    for span in spans:
        at += len(span.tokens)
        if span.chooses:
            found.append(at - 1)
    return found


def _model(span: Span) -> Model:
    model = span.answer.model
    assert isinstance(model, Model)
    return model
