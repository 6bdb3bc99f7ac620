"""Tiny random checkpoints of several architectures, as transformers writes them, for the general path's tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

VOCABULARY = 300
_SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
_NARROW_WINDOW = {"sliding_window": 8}
_SHAPES: dict[str, dict[str, Any]] = {
    "qwen2": _SHAPE | {"tie_word_embeddings": True},
    "qwen3": _SHAPE | {"head_dim": 8},
    "mistral": _SHAPE | _NARROW_WINDOW,
    "gemma2": _SHAPE | _NARROW_WINDOW | {"head_dim": 8, "query_pre_attn_scalar": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "phi3": _SHAPE,
    "mixtral": _SHAPE | {"num_local_experts": 4},
    "granite": _SHAPE | {"logits_scaling": 8.0},
    "opt": {
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
    },
}
ARCHITECTURES = tuple(_SHAPES)
_WITHOUT_DROPOUT = {"gpt2": {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}, "opt": {"dropout": 0.0}}


def write_network(kind: str, folder: Path, vocabulary: int = VOCABULARY, seed: int = 0, **changes: Any) -> None:
    """A checkpoint whose every weight, norms and biases included, is random."""
    tokens = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    shape = {**_SHAPES[kind], **_WITHOUT_DROPOUT.get(kind, {}), **tokens, "vocab_size": vocabulary, **changes}
    config = transformers.AutoConfig.for_model(kind, **shape)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for parameter in model.parameters():
        parameter.data = parameter.data + 0.1 * torch.randn_like(parameter)
    model.save_pretrained(folder)


def network(folder: Path) -> PreTrainedModel:
    """The oracle: what transformers makes of the checkpoint."""
    found: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return found.eval()


def rows_of(*lengths: int, seed: int = 1) -> list[torch.Tensor]:
    """Token rows of these lengths."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randint(0, VOCABULARY, (length,), generator=random) for length in lengths]


def about(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Changes the checkpoint's config.json."""
    file = folder / "config.json"
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
