"""Any causal model of transformers over packed rows: no padding, no row reads another, logits only where wanted.

Rows of equal length run side by side, each length in a pass of its own, so that nothing depends on how an architecture
masks, counts positions or keeps a state. Knows nothing of files, adapters or tokenizers.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from outcrop.domain.errors import CheckpointError
from outcrop.modeling.heads import Head, find_head, tolerance
from outcrop.modeling.packed import Packed
from outcrop.modeling.recomputing import recomputed
from outcrop.modeling.transfer import moved
from outcrop.modeling.transformers_library import Network, layers_of, network_from, network_of, probe_tokens, stored

LOG = logging.getLogger(__name__)
# Logits for this many tokens at a time: a vocabulary of 256,000 then takes 400 MB, whatever the rows' length.
HEAD_ROWS = 384


class General(nn.Module):
    """Token rows in, logits out, through a network of transformers. `head` None: it makes its logits itself only."""

    head: Head | None

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.adapters = nn.ModuleList()
        self.head = find_head(network)

    @staticmethod
    def load(folder: Path, dtype: torch.dtype = torch.float32) -> "General":
        """The checkpoint in `folder`, its weights in `dtype`. Raises CheckpointError with the mend."""
        model = General(network_of(folder, dtype))
        if not model.is_causal():
            raise CheckpointError(f"{folder} is no causal language model: its answers depend on what comes after them.")
        return model

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.network.get_input_embeddings().weight.device

    @torch.no_grad()
    def is_causal(self) -> bool:
        """Whether another last token leaves the logits before it as they were (but for the order of sums)."""
        tokens = probe_tokens(self.network)
        other = tokens.clone()
        other[0, -1] = tokens[0, 0]
        one, two = (self.network(input_ids=read, use_cache=False).logits[0, :-1] for read in (tokens, other))
        return torch.allclose(one, two, rtol=0.0, atol=tolerance(one.dtype) * one.abs().max().item())

    def forward(self, packed: Packed, wanted: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [n, vocabulary] of every token, or only of those at the int64 indices `wanted`."""
        if self.head is None:
            return _by_length(packed, wanted, self._logits)
        return self.head(_by_length(packed, wanted, self._states))

    def loss(self, packed: Packed, wanted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The summed cross-entropy (nats) of `targets`, each predicted from the token at its index in `wanted`."""
        if self.head is None:
            return _entropy(_by_length(packed, wanted, self._logits), targets)
        head, states = self.head, _by_length(packed, wanted, self._states)
        parts = zip(states.split(HEAD_ROWS), targets.split(HEAD_ROWS), strict=True)
        return torch.stack([_head_loss(head, rows, answers) for rows, answers in parts]).sum()

    def recompute(self) -> None:
        """Each layer keeps only what enters it; what the network computes around its layers stays as it is."""
        layers = layers_of(self.network)
        if not layers:
            LOG.warning("The layers of %s are in no list: they are computed once.", type(self.network).__name__)
        for layer in layers:
            layer.forward = partial(recomputed, layer.forward)

    @torch.no_grad()
    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Copies weights under Hugging Face's names. Raises KeyError or RuntimeError where they do not fit."""
        self.network.load_state_dict(network_from(tensors, self.network).state_dict())

    def give(self) -> dict[str, torch.Tensor]:
        """The weights as the checkpoint names them: what `take` takes."""
        return stored(self.network)

    def _states(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.network.base_model(input_ids=tokens, use_cache=False).last_hidden_state

    def _logits(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.network(input_ids=tokens, use_cache=False).logits


def _by_length(
    packed: Packed, wanted: torch.Tensor | None, run: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """`run` ([rows, length] -> [rows, length, width]) of every row, in the packed order: [n or len(wanted), width]."""
    places = [moved(at, packed.tokens.device) for at in _places(packed.lengths)]
    found = torch.cat([run(packed.tokens[at]).flatten(0, 1) for at in places])  # [n, width]
    order = torch.cat([at.flatten() for at in places]).argsort()
    return found[order if wanted is None else order[wanted]]


def _places(lengths: tuple[int, ...]) -> list[torch.Tensor]:
    """Where the tokens of rows of one length lie, a matrix [rows, length] for each length."""
    starts, before = defaultdict(list), 0
    for length in lengths:
        starts[length].append(before)
        before += length
    return [torch.tensor(begins)[:, None] + torch.arange(length) for length, begins in starts.items()]


def _head_loss(head: Head, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Logits are made again for the backward pass rather than kept."""

    def loss(rows: torch.Tensor) -> torch.Tensor:
        return _entropy(head(rows), targets)

    return checkpoint(loss, states, use_reentrant=False, preserve_rng_state=False)


def _entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits.float(), targets, reduction="sum")
