"""How an architecture turns a hidden state into logits, believed only where it was seen to be so.

Architectures scale their logits (Cohere, Granite) or cap them (Gemma 2). A guess is compared with the network's own
logits at an amplitude at which neither can hide; where no guess holds, the network makes its logits itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from outcrop.modeling.transformers_library import Network, probe_tokens, text_config

# Far above every cap in use (30 to 50), so that a cap shows; exact enough in bfloat16 for the tolerance below.
LOUD = 200.0
# Of the largest logit, by type: some roundings. A factor, a cap or a token that should not be read moves more.
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 4e-3}


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Hidden states [n, hidden] -> logits [n, vocabulary]."""

    project: nn.Module
    scale: float = 1.0
    cap: float | None = None

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """The logits, scaled, then capped."""
        logits = self.project(states)
        if self.scale != 1.0:
            logits = logits * self.scale
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap


@torch.no_grad()
def find_head(network: Network) -> Head | None:
    """The head that gives the network's own logits, or None where none of those known does."""
    base, project = network.base_model, network.get_output_embeddings()
    if base is network or project is None:
        return None
    tokens = probe_tokens(network)
    states = base(input_ids=tokens, use_cache=False).last_hidden_state
    loudest = project(states).abs().max()
    if not torch.isfinite(loudest) or loudest == 0:
        return None
    states = states * (LOUD / loudest)
    expected = _own_logits(network, tokens, states)
    allowed = LOUD * tolerance(states.dtype)
    for head in _known(text_config(network), project):
        if torch.allclose(head(states).float(), expected.float(), rtol=0.0, atol=allowed):
            return head
    return None


def tolerance(dtype: torch.dtype) -> float:
    """What two computations of the same logits may differ by, as a share of the largest."""
    return TOLERANCES.get(dtype, TOLERANCES[torch.float32])


def _own_logits(network: Network, tokens: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """What the network makes of hidden states that are put in the place of its own."""

    def put(_: nn.Module, __: object, output: Any) -> Any:
        output.last_hidden_state = states
        return output

    hook = network.base_model.register_forward_hook(put)
    try:
        return network(input_ids=tokens, use_cache=False).logits
    finally:
        hook.remove()


def _known(config: Any, project: nn.Module) -> Iterator[Head]:
    yield Head(project)
    if scale := getattr(config, "logit_scale", None):  # Cohere
        yield Head(project, scale=scale)
    if divisor := getattr(config, "logits_scaling", None):  # Granite
        yield Head(project, scale=1.0 / divisor)
    if cap := getattr(config, "final_logit_softcapping", None):  # Gemma 2
        yield Head(project, cap=cap)
