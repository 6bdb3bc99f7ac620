"""Do, for any architecture: each answer runs alone, with the cache that its architecture keeps. Right before fast.

An architecture whose cache does not give what a whole pass gives is run without one.
"""

import logging
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from outcrop.inference.general_models import GeneralModel
from outcrop.inference.sampler import choose
from outcrop.inference.scheduler import Answer, Span, Step
from outcrop.inference.scoring import score, score_choices
from outcrop.modeling.general import General
from outcrop.modeling.transformers_library import probe_tokens

PROBE_BREAK = 5  # where the probe is cut in two, so that several tokens follow a cache
# Of the largest logit: a cache changes the order of sums, nothing more.
TOLERANCE = 1e-3
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What was found out about an architecture. `bytes_a_token`: of cache; 0 where it is run without one."""

    caches: bool
    bytes_a_token: int


@torch.inference_mode()
def look_at(model: General) -> Habits:
    """Runs a probe whole and in two pieces."""
    tokens = probe_tokens(model.network)[0]
    whole, _ = advance(model, tokens, None, caching=False)
    try:
        _, cache = advance(model, tokens[:PROBE_BREAK], None, caching=True)
        pieced, cache = advance(model, tokens[PROBE_BREAK:], cache, caching=cache is not None)
    except Exception:  # whatever a cache breaks with: who has none that can be used is run without
        log.warning("the architecture's cache cannot be used", exc_info=True)
        return Habits(caches=False, bytes_a_token=0)
    whole, pieced = logits_of(model, whole[-1:]), logits_of(model, pieced[-1:])
    close = torch.allclose(whole, pieced, rtol=0.0, atol=TOLERANCE * float(whole.abs().max()))
    if cache is None or not close:
        return Habits(caches=False, bytes_a_token=0)
    return Habits(caches=True, bytes_a_token=_bytes(cache) // len(tokens))


def advance(model: General, tokens: Tensor, cache: Any, caching: bool) -> tuple[Tensor, Any]:
    """What `logits_of` reads, of each of `tokens` [n], which follow what `cache` holds; and the cache then."""
    named = {"past_key_values": cache} if cache is not None else {}
    network = model.network if model.head is None else model.network.base_model
    output = network(input_ids=tokens[None], use_cache=caching, **named)
    found = output.logits if model.head is None else output.last_hidden_state
    return found[0], getattr(output, "past_key_values", None) if caching else None


def logits_of(model: General, found: Tensor) -> Tensor:
    """Logits [n, vocabulary] of what `advance` answered for n tokens."""
    return (found if model.head is None else model.head(found)).float()


class GeneralRunner:
    """Runs steps, one answer after the other."""

    def __init__(self, habits: Habits, device: torch.device) -> None:
        self._habits = habits
        self._device = device
        self._caches: dict[Answer, Any] = {}

    @torch.inference_mode()
    def do(self, step: Step) -> list[int]:
        """The token chosen for each span that chooses, in the step's order."""
        self.rest()
        try:
            logits = [found for span in step.spans if (found := self._run_alone(span)) is not None]
        except Exception:
            self._caches.clear()  # a step that failed ends every answer
            raise
        if not logits:
            return []
        choosing = [span for span in step.spans if span.chooses]
        samplings, draws = [span.answer.sampling for span in choosing], [span.draw for span in choosing]
        stacked = torch.stack(logits)
        chosen = choose(stacked, samplings, draws)
        score_choices(stacked, [span.answer for span in choosing], chosen)
        return chosen

    def _run_alone(self, span: Span) -> Tensor | None:
        """The logits after the span, where it chooses. An adapter that is being loaded is probed before or after."""
        model = span.answer.model
        assert isinstance(model, GeneralModel)
        with model.weights.lock:
            return self._run(span, model)

    def _run(self, span: Span, model: GeneralModel) -> Tensor | None:
        if not self._habits.caches and not span.chooses:
            return None
        known = span.tokens if self._habits.caches else span.answer.known
        tokens = torch.tensor(known, device=self._device)
        model.weights.patches = model.patches
        if span.answer.sampling.prompt_logprobs is not None and not span.answer.prompt_scores:
            self._score_prompt(span.answer, model.weights.model)
        cache = self._caches.get(span.answer)
        found, cache = advance(model.weights.model, tokens, cache, self._habits.caches)
        if self._habits.caches:
            self._caches[span.answer] = cache
        return logits_of(model.weights.model, found[-1:])[0] if span.chooses else None

    def _score_prompt(self, answer: Answer, model: General) -> None:
        """In a pass of its own over the whole prompt: rarely asked for, and then for its own sake."""
        following = answer.prompt[1:]
        if following:
            found, _ = advance(model, torch.tensor(answer.prompt[:-1], device=self._device), None, caching=False)
            likeliest = answer.sampling.prompt_logprobs or 0
            answer.prompt_scores += score(lambda rows: logits_of(model, rows), found, following, likeliest)

    def rest(self) -> None:
        """Let go of the caches of answers that have ended, and with them of models that nobody names any more."""
        for answer in [answer for answer in self._caches if answer.row < 0]:
            del self._caches[answer]


def _bytes(cache: Any) -> int:
    """What the cache's tensors take; of a kind that cannot be looked into, nothing is known."""
    held = [vars(layer).values() for layer in getattr(cache, "layers", ())]
    return sum(value.nbytes for values in held for value in values if isinstance(value, Tensor))
