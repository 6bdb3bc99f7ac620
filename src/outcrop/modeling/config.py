"""The shape of a Llama checkpoint, read from Hugging Face's config.json. Knows no tensors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.domain import plain_llama
from outcrop.domain.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class RopeScaling:
    """Llama 3's stretching of slow rotary frequencies, beyond `original_context_tokens`."""

    factor: float
    low_frequency_factor: float
    high_frequency_factor: float
    original_context_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaConfig:
    """Sizes of a Llama decoder. Heads read `heads / key_value_heads` at a time from one key and value head."""

    vocabulary_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    key_value_heads: int
    head_size: int
    norm_epsilon: float
    context_tokens: int
    rope_theta: float
    rope_scaling: RopeScaling | None
    tied: bool

    @staticmethod
    def load(folder: Path) -> "LlamaConfig":
        """The config of the checkpoint in `folder`. Raises CheckpointError for what is not a plain Llama."""
        return LlamaConfig.from_huggingface(read_config(folder))

    @staticmethod
    def from_huggingface(raw: Mapping[str, Any]) -> "LlamaConfig":
        """Reads transformers 4's members (rope_theta, rope_scaling) and transformers 5's (rope_parameters)."""
        try:
            return LlamaConfig._read(raw)
        except KeyError as error:
            raise CheckpointError(f"The checkpoint's config.json lacks {error}.") from error

    @staticmethod
    def _read(raw: Mapping[str, Any]) -> "LlamaConfig":
        _refuse_other_architectures(raw)
        heads = raw["num_attention_heads"]
        rope = plain_llama.rope_of(raw)
        return LlamaConfig(
            vocabulary_size=raw["vocab_size"],
            hidden_size=raw["hidden_size"],
            intermediate_size=raw["intermediate_size"],
            layers=raw["num_hidden_layers"],
            heads=heads,
            key_value_heads=raw.get("num_key_value_heads") or heads,
            head_size=raw.get("head_dim") or raw["hidden_size"] // heads,
            norm_epsilon=raw.get("rms_norm_eps", 1e-6),
            context_tokens=raw.get("max_position_embeddings", 2048),
            rope_theta=float(rope.get("rope_theta") or raw.get("rope_theta") or 10000.0),
            rope_scaling=_scaling(rope),
            tied=raw.get("tie_word_embeddings", False),
        )


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of the checkpoint in `folder`. Raises CheckpointError where there is none that can be read."""
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The checkpoint {folder} has no readable config.json.") from error
    if not isinstance(raw, dict):
        raise CheckpointError(f"The config.json of the checkpoint {folder} is no JSON object.")
    return raw


def is_plain_llama(folder: Path) -> bool:
    """Whether our own Llama computes the checkpoint in `folder`. Raises CheckpointError where it cannot be read."""
    return plain_llama.is_plain_llama(read_config(folder))


def _refuse_other_architectures(raw: Mapping[str, Any]) -> None:
    for member, value in plain_llama.PLAIN.items():
        if raw.get(member, value) != value:
            raise CheckpointError(f"The checkpoint's {member} is {raw[member]!r}: only Llama with {value!r} is read.")


def _scaling(rope: Mapping[str, Any]) -> RopeScaling | None:
    kind = plain_llama.rope_kind(rope)
    if kind == "default":
        return None
    if kind not in plain_llama.ROPES:
        raise CheckpointError(f"The checkpoint's rope_type is {kind!r}: only 'default' and 'llama3' are read.")
    return RopeScaling(
        factor=rope["factor"],
        low_frequency_factor=rope["low_freq_factor"],
        high_frequency_factor=rope["high_freq_factor"],
        original_context_tokens=rope["original_max_position_embeddings"],
    )
