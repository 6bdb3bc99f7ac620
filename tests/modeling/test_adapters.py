"""Adapters on any architecture: PEFT loads what we write and computes the same; we load what we wrote."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from architectures import ARCHITECTURES, network, rows_of
from outcrop.domain.plan import ALL_LINEAR, LoraPlan
from outcrop.modeling.adapters import GeneralAdapter
from outcrop.modeling.attaching import attach
from outcrop.modeling.general import General
from outcrop.modeling.linear_layers import spelled_out
from outcrop.modeling.packed import Packed
from outcrop.training.adapter import AdapterData

ROW = rows_of(30)[0]
Folder = Callable[[str], Path]


def adapted(folder: Path, plan: LoraPlan) -> tuple[General, GeneralAdapter, LoraPlan]:
    """A model with an adapter that does something."""
    model = General.load(folder)
    plan = spelled_out(model.network, plan)
    adapter = attach(model, plan, seed=3)
    assert isinstance(adapter, GeneralAdapter)
    torch.manual_seed(5)
    for part in adapter.values():
        torch.nn.init.normal_(part.up, std=0.1)
    return model, adapter, plan


@torch.no_grad()
def logits(model: General) -> torch.Tensor:
    return model.eval()(Packed.of([ROW]))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_peft_computes_the_same_from_what_is_written(kind: str, folder: Folder, tmp_path: Path) -> None:
    with warnings.catch_warnings():  # importing PEFT warns of what it imports itself
        warnings.simplefilter("ignore")
        from peft import PeftModel

    model, adapter, plan = adapted(folder(kind), LoraPlan(rank=3, alpha=6))
    data = AdapterData(plan=plan, tensors=adapter.give())
    (tmp_path / "adapter_config.json").write_bytes(data.config())
    (tmp_path / "adapter_model.safetensors").write_bytes(data.weights())
    with warnings.catch_warnings():  # of names in transformers that it still uses; of fan_in_fan_out, which it mends
        warnings.filterwarnings("ignore", message="fan_in_fan_out")
        warnings.filterwarnings("ignore", category=FutureWarning)
        oracle = PeftModel.from_pretrained(network(folder(kind)), tmp_path).eval()
    held = {name for name, _ in oracle.named_parameters() if "lora_" in name}
    assert {name.replace(".default", "") for name in held} == set(data.tensors)
    with torch.no_grad():
        expected = oracle(input_ids=ROW[None]).logits[0]
    torch.testing.assert_close(logits(model), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(expected, network(folder(kind))(input_ids=ROW[None]).logits[0], atol=1e-2)


@pytest.mark.parametrize("kind", ["qwen3", "gpt2", "gemma2"])
def test_a_merged_adapter_leaves_the_logits_where_they_were(kind: str, folder: Folder) -> None:
    model, adapter, _ = adapted(folder(kind), LoraPlan(rank=3, alpha=6))
    before = logits(model)
    adapter.merge()
    adapter.detach()
    torch.testing.assert_close(logits(model), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "target"), [("qwen3", "q_proj"), ("gpt2", "c_attn")])
def test_what_is_given_can_be_taken(kind: str, target: str, folder: Folder) -> None:
    model, adapter, plan = adapted(folder(kind), LoraPlan(rank=3, alpha=6, targets=(target,)))
    fresh = General.load(folder(kind))
    other = attach(fresh, plan, seed=9)
    assert other is not None
    other.take(adapter.give())
    torch.testing.assert_close(logits(fresh), logits(model), atol=0, rtol=0)
    with pytest.raises(KeyError):
        other.take({})


def test_only_the_adapter_is_trained(folder: Folder) -> None:
    model, adapter, _ = adapted(folder("gpt2"), LoraPlan(rank=3, alpha=6))
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert len(trained) == 2 * len(adapter) == 16
    assert len(attach(General.load(folder("gpt2")), LoraPlan(targets=("c_fc",)), seed=0) or ()) == 2


def test_a_model_without_the_targets_gets_no_adapter(folder: Folder) -> None:
    assert attach(General.load(folder("gpt2")), LoraPlan(targets=("nowhere",)), seed=0) is None


def test_a_head_that_shares_its_name_with_a_layer_is_left_alone(folder: Folder) -> None:
    model = General.load(folder("opt"))
    layer = model.network.model.decoder.layers[0]
    layer.lm_head = torch.nn.Linear(32, 32)
    plan = spelled_out(model.network, LoraPlan(targets=ALL_LINEAR))
    assert "model.decoder.layers.0.lm_head" in plan.targets and "lm_head" not in plan.targets
    assert "model.decoder.layers.1.fc1" in plan.targets


def test_an_adapter_of_another_shape_is_refused(folder: Folder) -> None:
    model, adapter, _ = adapted(folder("qwen3"), LoraPlan(rank=3, alpha=6))
    tensors = {name: tensor[:1] for name, tensor in adapter.give().items()}
    with pytest.raises(RuntimeError, match="does not fit"):
        adapter.take(tensors)
    assert model.adapters
