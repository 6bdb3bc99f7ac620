"""The Llama decoder over packed rows: no padding, and logits only where they are wanted.

Equals transformers' LlamaForCausalLM on each row alone. Knows nothing of losses, adapters' files or tokenizers.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import nn
from torch.nn import functional

from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.fused import head_loss, rms_norm, swiglu
from outcrop.modeling.packed import Packed, attend
from outcrop.modeling.rope import Turn, rope_table
from outcrop.modeling.weights import GROUPS, fuse, read_tensors, unfuse


class Adapter(Protocol):
    """What may be added to a projection: the whole output for `inputs`, given the frozen weight."""

    def __call__(self, inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """[n, inputs] and [outputs, inputs] -> [n, outputs]."""


class Llama(nn.Module):
    """Token rows in, logits out."""

    layers: Sequence["Layer"]
    rope: torch.Tensor

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Parameter(torch.empty(config.vocabulary_size, config.hidden_size))
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))  # type: ignore[assignment]  # holds Layers only
        self.norm = nn.Parameter(torch.ones(config.hidden_size))
        self.own_head = None if config.tied else nn.Parameter(torch.empty_like(self.embedding))
        self.register_buffer("rope", torch.empty(2, 0, config.head_size // 2), persistent=False)

    @staticmethod
    def load(folder: Path, dtype: torch.dtype = torch.float32) -> "Llama":
        """The checkpoint in `folder`, its weights in `dtype`."""
        model = Llama(LlamaConfig.load(folder)).to(dtype)
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
        return functional.linear(self.states(packed, wanted), self.head)

    def loss(self, packed: Packed, wanted: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The summed cross-entropy (nats) of `targets`, each predicted from the token at its index in `wanted`."""
        return head_loss(self.states(packed, wanted), self.head, targets)

    def states(self, packed: Packed, wanted: torch.Tensor | None = None) -> torch.Tensor:
        """The normed hidden states that the head reads: [n or len(wanted), hidden_size]."""
        angles = self._angles(packed)
        states = functional.embedding(packed.tokens, self.embedding)  # [n, hidden_size]
        for layer in self.layers[:-1]:
            states = layer(states, angles, packed.lengths, None)
        states = self.layers[-1](states, angles, packed.lengths, wanted)
        return rms_norm(states, self.norm, self.config.norm_epsilon)

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

    def _angles(self, packed: Packed) -> torch.Tensor:
        """The rows' cosines and sines: [2, n, 1, head_size / 2]. The table grows with the longest row seen."""
        longest = max(packed.lengths)
        if self.rope.shape[1] < longest:
            positions = max(longest, 2 * self.rope.shape[1])
            self.rope = rope_table(self.config, positions).to(packed.tokens.device)
        return self.rope[:, packed.positions].unsqueeze(2)


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
        self, states: torch.Tensor, angles: torch.Tensor, lengths: tuple[int, ...], wanted: torch.Tensor | None
    ) -> torch.Tensor:
        """The stream after this layer; with `wanted`, only those tokens' (enough for a model's last layer)."""
        mixed = self._attend(states, angles, lengths)
        if wanted is not None:
            mixed, states = mixed[wanted], states[wanted]
        states = states + self.o(mixed)
        normed = rms_norm(states, self.norm_before_mlp, self.config.norm_epsilon)
        return states + self.down(swiglu(self.gate_up(normed)))

    def _attend(self, states: torch.Tensor, angles: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
        config = self.config
        normed = rms_norm(states, self.norm_before_attention, config.norm_epsilon)
        heads = self.qkv(normed).view(len(states), -1, config.head_size)
        turned = Turn.apply(heads[:, : -config.key_value_heads], angles[0], angles[1])
        return attend(turned, heads[:, -config.key_value_heads :], lengths)


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
            return functional.linear(inputs, self.weight)
        return self.adapter(inputs, self.weight)
