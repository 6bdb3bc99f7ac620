"""The forward pass over tokens of many answers at once. Knows tensors and weights; nothing of requests or text.

Tokens of all answers lie flat, one after the other: the linear layers do not care whose they are. What differs between
answers comes in from outside: where each token stands, and adapters as patches on slices of the tokens. This is the
general path, on any device; `compiled.py` is the fast one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from outcrop.domain.weights import FLOAT32
from outcrop.inference.adapter import Adapter
from outcrop.inference.attention import SpanAttention
from outcrop.inference.cache import Cache
from outcrop.inference.eight_bits import KEEPS, Keep, Weight, product
from outcrop.inference.places import Patched, Place
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.rope import rope_table, turn
from outcrop.modeling.weights import fuse


@dataclass(frozen=True, slots=True)
class Layer:
    """One block's weights, projections that read the same input fused."""

    attention_norm: Tensor
    qkv: Weight
    output: Weight
    mlp_norm: Tensor
    gate_up: Weight
    down: Weight


class TorchNetwork:
    """One set of whole weights, in floats or with its matrices in bfloat16 or 8 bits."""

    def __init__(
        self, config: LlamaConfig, tensors: dict[str, Tensor], device: torch.device, weights: str = FLOAT32
    ) -> None:
        named = {name: tensor.to(device, torch.float32) for name, tensor in tensors.items()}
        self.config = config
        self.device = device
        keep = KEEPS[weights]
        self._layers = [_layer(named, number, keep) for number in range(config.layers)]
        self._embedding = named["model.embed_tokens.weight"]
        self._norm = named["model.norm.weight"]
        self._head = keep(self._embedding if config.tied else named["lm_head.weight"])
        self._angles = rope_table(config, config.context_tokens).to(device)

    @property
    def size_bytes(self) -> int:
        """Memory that the weights take; a tied table once."""
        matrices: list[Weight] = [getattr(layer, field.name) for layer in self._layers for field in fields(layer)]
        rest: list[Weight] = [self._embedding, self._norm, *([] if self._head is self._embedding else [self._head])]
        return sum(weight.nbytes for weight in (*matrices, *rest))

    def fit(self, adapter: Adapter) -> Adapter:
        """The adapter as `forward` takes it."""
        return adapter

    def forward(
        self, tokens: Sequence[int], places: Sequence[Place], cache: Cache, patched: Sequence[Patched[Adapter]]
    ) -> Tensor:
        """Hidden states [tokens, hidden] before the last norm; keys and values are in the cache then."""
        attend = SpanAttention(cache, places, self.device)
        cosine, sine = self._angles[:, attend.positions, None]  # [tokens, 1, size / 2]
        states = F.embedding(torch.tensor(tokens, device=self.device), self._embedding)
        for number, layer in enumerate(self._layers):
            linear = _Linear(number, patched)
            inputs = self._normed(states, layer.attention_norm)
            attended = attend(number, *self._turned(linear("self_attn.qkv", inputs, layer.qkv), cosine, sine))
            states = states + linear("self_attn.o", attended, layer.output)
            inputs = self._normed(states, layer.mlp_norm)
            gate, up = linear("mlp.gate_up", inputs, layer.gate_up).chunk(2, dim=-1)
            states = states + linear("mlp.down", F.silu(gate) * up, layer.down)
        return states

    def logits(self, states: Tensor) -> Tensor:
        """[tokens, hidden] -> [tokens, vocabulary]."""
        return product(self._normed(states, self._norm), self._head)

    def _normed(self, states: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(states, (self.config.hidden_size,), weight, self.config.norm_epsilon)

    def _turned(self, qkv: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query and key by position, and value: each [tokens, heads, size]."""
        config = self.config
        heads = qkv.view(len(qkv), -1, config.head_size)
        turned = turn(heads[:, : config.heads + config.key_value_heads], cosine, sine)
        return turned[:, : config.heads], turned[:, config.heads :], heads[:, config.heads + config.key_value_heads :]


class _Linear:
    """One layer's linear maps, each with the adapters' updates on the tokens that they are for."""

    def __init__(self, layer: int, patched: Sequence[Patched[Adapter]]) -> None:
        self._layer = layer
        self._patched = patched

    def __call__(self, group: str, inputs: Tensor, weight: Weight) -> Tensor:
        outputs = product(inputs, weight)
        for part in self._patched:
            patch = part.adapter.patch(self._layer, group)
            if patch is not None:
                patch.add_to(outputs[part.start : part.stop], inputs[part.start : part.stop])
        return outputs


def _layer(weights: dict[str, Tensor], number: int, keep: Keep) -> Layer:
    prefix = f"model.layers.{number}"
    return Layer(
        attention_norm=weights[f"{prefix}.input_layernorm.weight"],
        qkv=keep(fuse(weights, number, "self_attn.qkv")),
        output=keep(fuse(weights, number, "self_attn.o")),
        mlp_norm=weights[f"{prefix}.post_attention_layernorm.weight"],
        gate_up=keep(fuse(weights, number, "mlp.gate_up")),
        down=keep(fuse(weights, number, "mlp.down")),
    )
