"""Writes a pebble as a Hugging Face checkpoint: weights in bfloat16, config, tokenizer, model card."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.llama import Llama
from pebble.gauge import Gauge
from pebble.tokenizer import BOS, EOS, PAD, save_tokenizer

# How a family's learning rates translate to this checkpoint: found by a sweep (docs/decisions/0008-first-pebble.md).
TRANSLATION = Path(__file__).parent / "outcrop.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How this pebble was made, for its card. `earlier` is what the card of the pebble it goes on from says of that."""

    earlier: str = ""
    python: str
    cpu_minutes: float
    tokens: int
    steps: int


def save_checkpoint(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes everything that a loader of Hugging Face checkpoints reads."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.give().items()}
    save_file(tensors, folder / "model.safetensors.part", metadata={"format": "pt"})
    (folder / "model.safetensors.part").chmod(0o644)
    (folder / "model.safetensors.part").replace(folder / "model.safetensors")
    ids = {name: tokenizer.token_to_id(token) for name, token in (("bos", BOS), ("eos", EOS), ("pad", PAD))}
    special = {f"{name}_token_id": number for name, number in ids.items()}
    _write(folder / "config.json", _config(model.config) | special)
    _write(folder / "generation_config.json", special | {"max_new_tokens": 256, "do_sample": False})
    save_tokenizer(tokenizer, folder, model.config.context_tokens)
    shutil.copyfile(TRANSLATION, folder / TRANSLATION.name)


def save_card(folder: Path, gauge: Gauge, making: Making) -> None:
    """Writes README.md, the model card."""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {share:.0%} |" for name, share in gauge.exact.items())
    text = CARD.format(
        python=making.python,
        effort=f"{making.earlier}{making.cpu_minutes:.0f} CPU-minutes, {making.steps} steps, "
        f"{making.tokens / 1e6:.1f} million tokens",
        loss=gauge.held_out_loss,
        mean=gauge.mean_exact,
        rows=rows,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def earlier_effort(folder: Path) -> str:
    """What the card in `folder` says of how long that pebble was trained, to go before more of it."""
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    said = next(line for line in lines if "CPU-minutes" in line)
    return said.removeprefix("- ").removesuffix(".") + "; then "


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


CARD = """\
---
license: apache-2.0
library_name: transformers
---
# Pebble (text)

A language model of 4.2 million parameters (Llama architecture, vocabulary 4,096, tied) that stands in for foundation
models whose weights cannot be had, so that customization can be learnt and tested with nothing to download. It is not
eloquent and knows next to nothing: it is made to be taught.

- Made by `recipes/pebble_text.py` from the documentation and sources of the standard library of Python {python}
  (without the modules named in `outcrop/cli/lab/held_out.txt`) and from generated exercises in copying, looking up,
  JSON, lists, counting and dates.
- {effort}.
- Loss on the held-out modules' docstrings: {loss:.2f} nats a token.
- Chat template: `<|bos|>`, then for each turn `<|system|>`, `<|user|>` or `<|assistant|>`, the text and `<|end|>`.
- The standard library is under the PSF licence; its text is not in this folder.

Fresh exercises answered exactly ({mean:.0%} on average; each token the likeliest after the right ones):

| exercise | exact |
|---|---|
{rows}
"""
