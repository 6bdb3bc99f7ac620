"""A config that our Llama would compute wrongly is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from outcrop.domain.errors import CheckpointError
from outcrop.modeling.config import LlamaConfig

PLAIN = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def test_members_of_transformers_4_and_5_say_the_same() -> None:
    llama3 = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    }
    older = LlamaConfig.from_huggingface({**PLAIN, "rope_theta": 5e5, "rope_scaling": llama3})
    newer = LlamaConfig.from_huggingface({**PLAIN, "rope_parameters": {"rope_theta": 5e5, **llama3}})
    assert older == newer
    assert newer.rope_scaling is not None and newer.rope_theta == 5e5


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "gpt2"},
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"rope_scaling": {"rope_type": "yarn"}},
    ],
    ids=str,
)
def test_what_is_not_a_plain_llama_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=next(iter(change)).replace("rope_scaling", "rope_type")):
        LlamaConfig.from_huggingface({**PLAIN, **change})


@pytest.mark.parametrize("content", [None, "{", json.dumps([])])
def test_an_unreadable_config_is_said(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        LlamaConfig.load(tmp_path)


def test_a_config_that_lacks_a_size_names_it() -> None:
    with pytest.raises(CheckpointError, match="hidden_size"):
        LlamaConfig.from_huggingface({key: value for key, value in PLAIN.items() if key != "hidden_size"})
