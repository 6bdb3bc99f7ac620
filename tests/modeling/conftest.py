"""Random checkpoints in Hugging Face's layout, with the model that transformers makes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from architectures import write_network

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@dataclass(frozen=True)
class Reference:
    folder: Path
    model: LlamaForCausalLM


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Callable[..., Reference]:
    def make(**changes: Any) -> Reference:
        shape = {
            "vocab_size": 300,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
        }
        torch.manual_seed(0)
        model = LlamaForCausalLM(LlamaConfig(**(shape | changes))).eval()
        for parameter in model.parameters():
            parameter.data = parameter.data + 0.1 * torch.randn_like(parameter)
        folder = tmp_path / "checkpoint"
        model.save_pretrained(folder)
        return Reference(folder, model)

    return make


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint of an architecture, made once."""
    made: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            write_network(kind, made[kind])
        return made[kind]

    return of
