"""A causal language model in numbers, read from its config.json: what estimates are made of. Knows no tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outcrop.domain.errors import CheckpointError

# Older architectures call the same sizes otherwise (GPT-2's names).
_NAMES = {
    "vocab_size": ("vocab_size",),
    "hidden_size": ("hidden_size", "n_embd"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer"),
    "num_attention_heads": ("num_attention_heads", "n_head"),
    "intermediate_size": ("intermediate_size", "n_inner"),
    "num_key_value_heads": ("num_key_value_heads",),
    "head_dim": ("head_dim",),
}
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8}
_PLAIN_MLP = 4  # an MLP's inner width in hidden sizes where the config does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """Sizes of a decoder. `stored_bytes` is what a weight takes in the checkpoint's files.

    `architecture` is the config's model_type: our own engine computes llama, the general one all others.
    """

    vocabulary_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    tied: bool
    stored_bytes: int = 4
    architecture: str = "llama"

    @staticmethod
    def from_config(raw: Mapping[str, Any]) -> "ModelShape":
        """The shape that a Hugging Face config.json states.

        Raises CheckpointError where a size is missing, or is no single number (some models state one a layer).
        """
        text = raw.get("text_config", raw) if isinstance(raw, Mapping) else None
        if not isinstance(text, Mapping):
            raise CheckpointError("The checkpoint's config.json is no JSON object, or its text_config is none.")
        hidden, heads = _size(text, "hidden_size"), _size(text, "num_attention_heads")
        return ModelShape(
            vocabulary_size=_size(text, "vocab_size"),
            hidden_size=hidden,
            intermediate_size=_optional(text, "intermediate_size") or _PLAIN_MLP * hidden,
            layers=_size(text, "num_hidden_layers"),
            heads=heads,
            key_value_heads=_optional(text, "num_key_value_heads") or heads,
            head_size=_optional(text, "head_dim") or max(1, hidden // heads),
            tied=bool(text.get("tie_word_embeddings", raw.get("tie_word_embeddings", False))),
            architecture=str(raw.get("model_type", "llama")),
            stored_bytes=_BYTES.get(str(text.get("dtype") or text.get("torch_dtype") or "float32"), 4),
        )

    @property
    def queries(self) -> int:
        """Width of all queries together."""
        return self.heads * self.head_size

    @property
    def key_values(self) -> int:
        """Width of all keys together; of all values, too."""
        return self.key_value_heads * self.head_size

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of a layer's linear maps, by the names that adapters use."""
        hidden, inner = self.hidden_size, self.intermediate_size
        return {
            "q_proj": (hidden, self.queries),
            "k_proj": (hidden, self.key_values),
            "v_proj": (hidden, self.key_values),
            "o_proj": (self.queries, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def layer_weights(self) -> int:
        """Weights of a layer's linear maps."""
        return sum(inputs * outputs for inputs, outputs in self.linears.values())

    @property
    def largest_product_weights(self) -> int:
        """Weights of the largest matrix of a layer: gate and up side by side, which read the same input."""
        return 2 * self.hidden_size * self.intermediate_size

    @property
    def head_weights(self) -> int:
        """Weights of the map from a hidden state to logits."""
        return self.vocabulary_size * self.hidden_size

    @property
    def weights(self) -> int:
        """All weights: embedding, layers with their norms, head."""
        embeddings = self.head_weights * (1 if self.tied else 2)
        return embeddings + self.layers * (self.layer_weights + 2 * self.hidden_size) + self.hidden_size

    def adapter_weights(self, rank: int, targets: Sequence[str]) -> int:
        """Weights of a low-rank adapter on `targets` in every layer."""
        return self.layers * rank * sum(sum(sizes) for name, sizes in self.linears.items() if name in targets)


def _size(raw: Mapping[str, Any], name: str) -> int:
    found = _optional(raw, name)
    if found is None:
        raise CheckpointError(f"The checkpoint's config.json states no {name}, a whole number above 0.")
    return found


def _optional(raw: Mapping[str, Any], name: str) -> int | None:
    """A size that may be left out."""
    found = next((raw[key] for key in _NAMES[name] if raw.get(key) is not None), None)
    if found is not None and (type(found) is not int or found < 1):  # a bool is no size
        raise CheckpointError(f"The checkpoint's config.json states no {name}, a whole number above 0.")
    return found
