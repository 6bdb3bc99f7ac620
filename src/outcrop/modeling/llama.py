"""The Llama decoder over packed rows: no padding, and logits only where they are wanted.

Equals transformers' LlamaForCausalLM on each row alone. Knows nothing of losses, adapters' files or tokenizers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import nn
from torch.nn import functional

from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.fused import add_norm, head_loss, swiglu
from outcrop.modeling.packed import Heads, Packed, attend, rounded_up
from outcrop.modeling.products import linear
from outcrop.modeling.recomputing import recomputed
from outcrop.modeling.rope import rope_table
from outcrop.modeling.weights import GROUPS, fuse, read_tensors, unfuse


class Adapter(Protocol):
    """What may be added to a projection: the whole output for `inputs`, given the frozen weight."""

    def __call__(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """[n, inputs] and [outputs, inputs] -> [n, outputs]."""


class Llama(nn.Module):
    """Token rows in, logits out.

    `activations` is the type that the layers compute in; what they add up to, the stream, is float32 at least.
    """

    activations: torch.dtype
    layers: Sequence["Layer"]
    rope: torch.Tensor

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocabulary_size, config.hidden_size))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))  # type: ignore[assignment]  # holds Layers only
        self.norm = nn.Parameter(torch.ones(config.hidden_size))
        self.own_head = None if config.tied else nn.Parameter(torch.empty_like(self.embedding))
        self.rope = torch.empty(2, 0, config.head_size // 2)
        self.activations = torch.float32
        self._recomputes = False

    @staticmethod
    def load(folder: Path, dtype: torch.dtype = torch.float32) -> "Llama":
        """The checkpoint in `folder`, its weights and activations in `dtype`."""
        model = Llama(LlamaConfig.load(folder)).to(dtype)
        model.activations = dtype
        model.take(read_tensors(folder))
        return model

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.embedding.device

    @property
    def head(self) -> torch.Tensor:
        """The matrix that turns a hidden state into logits: [vocabulary_size, hidden_size]."""
        return self.embedding if self.own_head is None else self.own_head

    def forward(self, packed: Packed, wanted: torch.Tensor | None = None) -> torch.Tensor:
        """Logits [n, vocabulary_size] of every token, or only of those at the int64 indices `wanted`."""
        return linear(self.states(packed, wanted), self.head)

    def loss(self, packed: Packed, wanted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The summed cross-entropy (nats) of `targets`, each predicted from the token at its index in `wanted`."""
        return head_loss(self._rounded_states(packed, wanted), self.head, targets)

    def states(self, packed: Packed, wanted: torch.Tensor | None = None) -> torch.Tensor:
        """The normed hidden states that the head reads: [n or len(wanted), hidden_size]."""
        return self._rounded_states(packed, wanted)[: len(packed.tokens) if wanted is None else len(wanted)]

    def _rounded_states(self, packed: Packed, wanted: torch.Tensor | None) -> torch.Tensor:
        """The same, and on a CPU a few more after them that mean nothing."""
        if packed.tokens.device.type == "cpu":
            packed, wanted = rounded_up(packed, wanted)
        run = Pass(packed=packed, rope=self._table(packed), activations=self.activations)
        stream = functional.embedding(packed.tokens, self.embedding)  # [n, hidden_size]
        stream, update = stream.to(torch.promote_types(stream.dtype, torch.float32)), None
        for layer in self.layers[:-1]:
            through = partial(recomputed, layer) if self._recomputes else layer
            stream, update = through(stream, update, run, None)
        stream, update = self.layers[-1](stream, update, run, wanted)
        return add_norm(stream, update, self.norm, self.config.norm_epsilon, self.activations)[1]

    def recompute(self) -> None:
        """All layers but the last, which goes back right after it went forward, keep only what enters them."""
        self._recomputes = True

    def projections(self) -> dict[tuple[int, str], "Projection"]:
        """Every group of linear layers, by layer number and the group's name."""
        return {
            (number, group): cast(Projection, layer.get_submodule(group.split(".")[1]))
            for number, layer in enumerate(self.layers)
            for group in GROUPS
        }

    @torch.no_grad()
    def take(self, tensors: dict[str, torch.Tensor]) -> None:
        """Copies weights under Hugging Face's names into the model."""
        self.embedding.copy_(tensors["model.embed_tokens.weight"])
        self.norm.copy_(tensors["model.norm.weight"])
        if self.own_head is not None:
            self.own_head.copy_(tensors["lm_head.weight"])
        for number, layer in enumerate(self.layers):
            layer.norm_before_attention.copy_(tensors[f"model.layers.{number}.input_layernorm.weight"])
            layer.norm_before_mlp.copy_(tensors[f"model.layers.{number}.post_attention_layernorm.weight"])
        for (number, group), projection in self.projections().items():
            projection.weight.copy_(fuse(tensors, number, group))

    @torch.no_grad()
    def give(self) -> dict[str, torch.Tensor]:
        """The weights under Hugging Face's names: what `take` takes."""
        tensors = {"model.embed_tokens.weight": self.embedding.detach(), "model.norm.weight": self.norm.detach()}
        if self.own_head is not None:
            tensors["lm_head.weight"] = self.own_head.detach()
        for number, layer in enumerate(self.layers):
            tensors[f"model.layers.{number}.input_layernorm.weight"] = layer.norm_before_attention.detach()
            tensors[f"model.layers.{number}.post_attention_layernorm.weight"] = layer.norm_before_mlp.detach()
        for (number, group), projection in self.projections().items():
            tensors |= unfuse(projection.weight.detach(), projection.sizes, number, group)
        return tensors

    def _table(self, packed: Packed) -> torch.Tensor:
        """Cosines and sines: [2, positions, head_size / 2]. The table grows with the longest row seen."""
        longest = max(packed.lengths)
        if self.rope.shape[1] < longest or self.rope.device != packed.tokens.device:
            positions = max(longest, 2 * self.rope.shape[1])
            self.rope = rope_table(self.config, positions).to(packed.tokens.device)
        return self.rope


class Layer(nn.Module):
    """Attention, then the gated MLP, each added to the stream of hidden states."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        hidden, inner = config.hidden_size, config.heads * config.head_size
        key_value = config.key_value_heads * config.head_size
        self.norm_before_attention = nn.Parameter(torch.ones(hidden))
        self.qkv = Projection(hidden, (inner, key_value, key_value))
        self.o = Projection(inner, (hidden,))
        self.norm_before_mlp = nn.Parameter(torch.ones(hidden))
        self.gate_up = Projection(hidden, (config.intermediate_size, config.intermediate_size))
        self.down = Projection(config.intermediate_size, (hidden,))

    def forward(
        self, stream: torch.Tensor, update: torch.Tensor | None, run: "Pass", wanted: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The stream [n, hidden_size] and what is to be added to it, before this layer and after.

        With `wanted`, only those tokens' (enough for a model's last layer).
        """
        epsilon = self.config.norm_epsilon
        stream, normed = add_norm(stream, update, self.norm_before_attention, epsilon, run.activations)
        mixed = attend(
            self.qkv(normed),
            run.rope,
            run.packed,
            Heads(self.config.heads, self.config.key_value_heads, self.config.head_size),
        )
        if wanted is not None:
            mixed, stream = mixed.index_select(0, wanted), stream.index_select(0, wanted)
        stream, normed = add_norm(stream, self.o(mixed), self.norm_before_mlp, epsilon, run.activations)
        return stream, self.down(swiglu(self.gate_up(normed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What every layer of one pass reads: the rows, the table of turns, and the type to compute in."""

    packed: Packed
    rope: torch.Tensor
    activations: torch.dtype


class Projection(nn.Module):
    """Linear layers that read the same input, as one matrix; an adapter may join them."""

    def __init__(self, inputs: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes
        self.weight = nn.Parameter(torch.empty(sum(sizes), inputs))
        self.adapter: Adapter | None = None

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """[n, inputs] -> [n, sum of sizes]."""
        if self.adapter is None:
            return linear(inputs, self.weight)
        return self.adapter(inputs, self.weight)
