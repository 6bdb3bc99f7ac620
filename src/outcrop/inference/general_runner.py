"""Do, for any architecture: each answer runs alone, with the cache that its architecture keeps. Right before fast.

An architecture whose cache does not give what a whole pass gives is run without one.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from outcrop.inference.general_models import GeneralModel
from outcrop.inference.sampler import choose
from outcrop.inference.scheduler import Answer, Span, Step
from outcrop.modeling.general import General
from outcrop.modeling.transformers_library import text_config

PROBE_TOKENS = 8
PROBE_BREAK = 5  # where the probe is cut in two, so that several tokens follow a cache
# Of the largest logit: a cache changes the order of sums, nothing more.
TOLERANCE = 1e-3
FALLBACK_CONTEXT = 2048  # of architectures that know no limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What was found out about an architecture. `bytes_a_token`: of cache; 0 where it is run without one."""

    caches: bool
    bytes_a_token: int
    context_tokens: int


@torch.inference_mode()
def look_at(model: General) -> Habits:
    """Runs a probe whole and in two pieces."""
    config = text_config(model.network)
    tokens = torch.arange(PROBE_TOKENS, device=model.device) % config.vocab_size
    whole, _ = last_logits(model, tokens, None, caching=False)
    _, cache = last_logits(model, tokens[:PROBE_BREAK], None, caching=True)
    caches, size = False, 0
    if cache is not None:
        pieced, cache = last_logits(model, tokens[PROBE_BREAK:], cache, caching=True)
        caches = torch.allclose(whole, pieced, rtol=0.0, atol=TOLERANCE * float(whole.abs().max()))
        size = _bytes(cache) // PROBE_TOKENS if caches else 0
    context = getattr(config, "max_position_embeddings", None) or FALLBACK_CONTEXT
    return Habits(caches=caches, bytes_a_token=size, context_tokens=context)


def last_logits(model: General, tokens: Tensor, cache: Any, caching: bool) -> tuple[Tensor, Any]:
    """The logits [vocabulary] after the last of `tokens` [n], which follow what `cache` holds, and the cache then."""
    named = {"past_key_values": cache} if cache is not None else {}
    if model.head is None:
        output = model.network(input_ids=tokens[None], use_cache=caching, **named)
        logits = output.logits[0, -1]
    else:
        output = model.network.base_model(input_ids=tokens[None], use_cache=caching, **named)
        logits = model.head(output.last_hidden_state[0, -1:])[0]
    return logits.float(), getattr(output, "past_key_values", None)


class GeneralRunner:
    """Runs steps, one answer after the other."""

    def __init__(self, habits: Habits, device: torch.device) -> None:
        self._habits = habits
        self._device = device
        self._caches: dict[Answer, Any] = {}

    @torch.inference_mode()
    def do(self, step: Step) -> list[int]:
        """The token chosen for each span that chooses, in the step's order."""
        self._forget_the_ended()
        try:
            logits = [found for span in step.spans if (found := self._run(span)) is not None]
        except Exception:
            self._caches.clear()  # a step that failed ends every answer
            raise
        if not logits:
            return []
        choosing = [span for span in step.spans if span.chooses]
        samplings, draws = [span.answer.sampling for span in choosing], [span.draw for span in choosing]
        return choose(torch.stack(logits), samplings, draws)

    def _run(self, span: Span) -> Tensor | None:
        """The logits after the span, where it chooses."""
        model = span.answer.model
        assert isinstance(model, GeneralModel)
        if not self._habits.caches and not span.chooses:
            return None
        known = span.tokens if self._habits.caches else span.answer.known
        tokens = torch.tensor(known, device=self._device)
        model.weights.patches = model.patches
        cache = self._caches.get(span.answer)
        logits, cache = last_logits(model.weights.model, tokens, cache, self._habits.caches)
        if self._habits.caches:
            self._caches[span.answer] = cache
        return logits if span.chooses else None

    def _forget_the_ended(self) -> None:
        for answer in [answer for answer in self._caches if answer.row < 0]:
            del self._caches[answer]


def _bytes(cache: Any) -> int:
    """What the cache's tensors take; of a kind that cannot be looked into, nothing is known."""
    held = [vars(layer).values() for layer in getattr(cache, "layers", ())]
    return sum(value.nbytes for values in held for value in values if isinstance(value, Tensor))
