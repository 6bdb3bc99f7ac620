"""Writes a pebble as a Hugging Face checkpoint: weights in bfloat16, config, tokenizer. The card is card.py's."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.llama import Llama
from pebble.tokenizer import BOS, EOS, PAD, save_tokenizer
from pebble.unfinished import replace_durably

# How a family's learning rates translate to this checkpoint: found by a sweep (docs/decisions/0008-first-pebble.md).
TRANSLATION = Path(__file__).parent / "outcrop.json"


def save_checkpoint(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes everything that a loader of Hugging Face checkpoints reads."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.give().items()}
    save_file(tensors, folder / "model.safetensors.part", metadata={"format": "pt"})
    replace_durably(folder / "model.safetensors.part", folder / "model.safetensors")
    ids = {name: tokenizer.token_to_id(token) for name, token in (("bos", BOS), ("eos", EOS), ("pad", PAD))}
    special = {f"{name}_token_id": number for name, number in ids.items()}
    _write(folder / "config.json", _config(model.config) | special)
    _write(folder / "generation_config.json", special | {"max_new_tokens": 256, "do_sample": False})
    save_tokenizer(tokenizer, folder, model.config.context_tokens)
    shutil.copyfile(TRANSLATION, folder / TRANSLATION.name)


def _config(config: LlamaConfig) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocabulary_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_size,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_epsilon,
        "max_position_embeddings": config.context_tokens,
        "rope_theta": config.rope_theta,
        "rope_scaling": None,
        "tie_word_embeddings": config.tied,
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": "bfloat16",
    }


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
