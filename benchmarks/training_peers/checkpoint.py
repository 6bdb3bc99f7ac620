"""Llamas with random weights from a fixed seed, as Hugging Face keeps them, and a fresh adapter. Knows no text."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.training.adapter import CONFIG_FILE, WEIGHTS_FILE, AdapterData
from outcrop.training.pupil import prepare

PAD, END = "<|pad|>", "<|end|>"
SEED = 0
INIT_STD = 0.02  # transformers' own for a Llama
LORA = LoraPlan(rank=16, alpha=32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A Llama's sizes."""

    hidden: int
    intermediate: int
    layers: int
    vocabulary: int
    head: int = 64
    key_value_heads: int | None = None
    tied: bool = True
    rope_theta: float = 10000.0
    context: int = 2048
    dtype: str = "float32"

    def config(self) -> dict[str, Any]:
        """Hugging Face's config.json."""
        heads = self.hidden // self.head
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": heads,
            "num_key_value_heads": self.key_value_heads or heads,
            "head_dim": self.head,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": self.context,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tied,
            "torch_dtype": self.dtype,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": None,
        }

    def files(self) -> Iterator[dict[str, tuple[int, ...]]]:
        """The sizes of every tensor, a file for the ends and one for each layer: none is held in memory for long."""
        hidden, inner = self.hidden, self.intermediate
        key_value = (self.key_value_heads or hidden // self.head) * self.head
        ends = {"model.embed_tokens.weight": (self.vocabulary, hidden), "model.norm.weight": (hidden,)}
        yield ends if self.tied else {**ends, "lm_head.weight": (self.vocabulary, hidden)}
        for number in range(self.layers):
            layer = {
                "input_layernorm": (hidden,),
                "self_attn.q_proj": (hidden, hidden),
                "self_attn.k_proj": (key_value, hidden),
                "self_attn.v_proj": (key_value, hidden),
                "self_attn.o_proj": (hidden, hidden),
                "post_attention_layernorm": (hidden,),
                "mlp.gate_proj": (inner, hidden),
                "mlp.up_proj": (inner, hidden),
                "mlp.down_proj": (hidden, inner),
            }
            yield {f"model.layers.{number}.{name}.weight": size for name, size in layer.items()}


def write_checkpoint(folder: Path, shape: Shape) -> None:
    """config.json and weights. The tokenizer is another's to write."""
    (folder / "config.json").write_text(json.dumps(shape.config(), indent=1))
    generator = torch.Generator().manual_seed(SEED)
    names: dict[str, str] = {}
    for number, sizes in enumerate(shape.files()):
        file = f"model-{number:05d}.safetensors"
        tensors = {name: _random(size, shape.dtype, generator) for name, size in sizes.items()}
        save_file(tensors, folder / file, metadata={"format": "pt"})
        names |= dict.fromkeys(sizes, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))


def _random(size: tuple[int, ...], dtype: str, generator: torch.Generator) -> torch.Tensor:
    """Norms begin at one, matrices at chance."""
    kind = getattr(torch, dtype)
    if len(size) == 1:
        return torch.ones(size, dtype=kind)
    return torch.empty(size, dtype=kind).normal_(std=INIT_STD, generator=generator)


def write_adapter(folder: Path, checkpoint: Path) -> None:
    """The adapter that a job with this seed starts from, as PEFT has it: peers load it instead of drawing their own."""
    plan = TrainingPlan(
        job_id="", objective="fine_tuning", base_checkpoint=str(checkpoint), training_rows="", epochs=1, batch_size=1,
        learning_rate=0.0, lora=LORA, seed=SEED,
    )  # fmt: skip
    adapters = prepare(plan, None).adapters
    assert adapters is not None
    data = AdapterData(plan=LORA, tensors=adapters.give())
    folder.mkdir()
    (folder / CONFIG_FILE).write_bytes(data.config())
    (folder / WEIGHTS_FILE).write_bytes(data.weights())
