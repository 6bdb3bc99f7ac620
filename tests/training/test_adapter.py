"""Adapters fold exactly, and their files are PEFT's."""

import json

import pytest
import torch
from safetensors.torch import load

from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import LoraPlan
from outcrop.training.adapter import AdapterData, fold, rescaled

SIZES = {"self_attn.q_proj": (8, 6), "mlp.down_proj": (6, 10)}


def adapter(rank: int, alpha: int, targets: tuple[str, ...], seed: int) -> AdapterData:
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for module, (outputs, inputs) in SIZES.items():
        if module.split(".")[-1] in targets:
            path = f"base_model.model.model.layers.0.{module}"
            tensors[f"{path}.lora_A.weight"] = torch.randn(rank, inputs, generator=random)
            tensors[f"{path}.lora_B.weight"] = torch.randn(outputs, rank, generator=random)
    return AdapterData(plan=LoraPlan(rank=rank, alpha=alpha, targets=targets), tensors=tensors)


def update(data: AdapterData, module: str) -> torch.Tensor:
    path = f"base_model.model.model.layers.0.{module}"
    if f"{path}.lora_A.weight" not in data.tensors:
        return torch.zeros(SIZES[module])
    scale = data.plan.alpha / data.plan.rank
    return data.tensors[f"{path}.lora_B.weight"] @ data.tensors[f"{path}.lora_A.weight"] * scale


def test_folding_adds_updates_exactly_whatever_ranks_scales_and_targets() -> None:
    first = adapter(4, 8, ("q_proj", "down_proj"), 0)
    second = adapter(3, 5, ("q_proj",), 1)
    both = fold(first, second)
    assert (both.plan.rank, both.plan.targets) == (7, ("q_proj", "down_proj"))
    for module in SIZES:
        torch.testing.assert_close(update(both, module), update(first, module) + update(second, module))


def test_every_matrix_of_a_folded_adapter_has_its_rank() -> None:
    both = fold(adapter(4, 8, ("down_proj",), 0), adapter(3, 5, ("q_proj",), 1))
    for name, tensor in both.tensors.items():
        assert tensor.shape[0 if "lora_A" in name else 1] == both.plan.rank == 7


def test_another_alpha_keeps_the_update() -> None:
    data = adapter(4, 8, ("q_proj",), 0)
    moved = rescaled(data, LoraPlan(rank=4, alpha=32, targets=("q_proj",)))
    torch.testing.assert_close(update(moved, "self_attn.q_proj"), update(data, "self_attn.q_proj"))


def test_files_say_what_peft_reads() -> None:
    data = adapter(4, 8, ("q_proj", "down_proj"), 0)
    config = json.loads(data.config())
    assert {key: config[key] for key in ("peft_type", "r", "lora_alpha", "target_modules", "bias")} == {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "down_proj"],
        "bias": "none",
    }
    assert load(data.weights()).keys() == data.tensors.keys()
    again = AdapterData.parse(data.config(), data.weights())
    assert again.plan == data.plan
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in data.tensors.items())


@pytest.mark.parametrize(("config", "weights"), [(b"{", b""), (b"{}", b""), (b"[]", b"")])
def test_what_is_no_adapter_is_refused(config: bytes, weights: bytes) -> None:
    with pytest.raises(JobFailure, match="not an adapter"):
        AdapterData.parse(config, weights)
