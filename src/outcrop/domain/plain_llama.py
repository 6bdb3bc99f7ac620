"""Which checkpoints our own Llama computes, by their config.json; transformers computes others. Knows no tensors."""

from collections.abc import Mapping
from typing import Any

# Silently ignoring a bias or another activation would train a wrong model.
PLAIN: Mapping[str, Any] = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
ROPES = ("default", "llama3")


def is_plain_llama(config: Mapping[str, Any]) -> bool:
    """Whether the checkpoint with this config.json is a Llama without additions."""
    plain = all(config.get(member, value) == value for member, value in PLAIN.items())
    return plain and rope_kind(rope_of(config)) in ROPES and not config.get("quantization_config")


def rope_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of rotary positions, in transformers 4's member or in transformers 5's."""
    return {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}


def rope_kind(rope: Mapping[str, Any]) -> Any:
    """How rotary frequencies are stretched."""
    return rope.get("rope_type") or rope.get("type") or "default"
