"""An adapter is served as it was trained: what modeling writes under PEFT's names, the engine computes."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from outcrop.domain.errors import SettingsError
from outcrop.domain.plan import ALL_LINEAR, LoraPlan
from outcrop.inference.adapter import Adapter
from outcrop.inference.cache import Cache
from outcrop.inference.models import load_network
from outcrop.inference.network import TorchNetwork
from outcrop.inference.places import Patched, Place
from outcrop.modeling import lora
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed
from outcrop.modeling.weights import read_tensors

CPU = torch.device("cpu")


def trained(checkpoint: Path, plan: LoraPlan, folder: Path) -> Llama:
    """A model with an adapter that does something; the adapter is written to `folder`."""
    model = Llama.load(checkpoint)
    adapters = lora.attach(model, plan, seed=1)
    for adapter in adapters.values():
        for up in adapter.ups:
            torch.nn.init.normal_(up, std=0.1)
    save_file(lora.give(adapters, plan.targets), folder / "adapter_model.safetensors")
    write_config(folder, r=plan.rank, lora_alpha=plan.alpha)
    return model


def write_config(folder: Path, **members: object) -> None:
    (folder / "adapter_config.json").write_text(json.dumps(members))


@pytest.mark.parametrize("targets", [ALL_LINEAR, ("q_proj", "v_proj"), ("up_proj",)])
def test_the_engine_computes_the_trained_models_logits(
    checkpoint: Path, tmp_path: Path, targets: tuple[str, ...]
) -> None:
    model = trained(checkpoint, LoraPlan(rank=3, alpha=5, targets=targets), tmp_path)
    config = LlamaConfig.load(checkpoint)
    adapter, tokens = Adapter.load(tmp_path, config, CPU), list(range(5, 25))
    with torch.inference_mode():
        wanted = model(Packed.of([torch.tensor(tokens)]))
        for network in (load_network(checkpoint, config, CPU), TorchNetwork(config, read_tensors(checkpoint), CPU)):
            cache = Cache(config, 64, CPU)
            cache.prepare((), 1, len(tokens))
            patched = [Patched(0, len(tokens), network.fit(adapter))]
            logits = network.logits(network.forward(tokens, [Place(0, 0, len(tokens))], cache, patched))
            torch.testing.assert_close(logits, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias"),
    ],
)
def test_what_would_be_another_model_is_refused(
    checkpoint: Path, tmp_path: Path, members: dict[str, object], told: str
) -> None:
    trained(checkpoint, LoraPlan(rank=2, alpha=2), tmp_path)
    write_config(tmp_path, r=2, lora_alpha=2, **members)
    with pytest.raises(SettingsError, match=told):
        Adapter.load(tmp_path, LlamaConfig.load(checkpoint), CPU)


@pytest.mark.parametrize(("a", "b"), [((2, 2), (64, 2)), ((2, 128), (3, 2)), ((2, 128), (64, 3)), ((2,), (64, 2))])
def test_an_adapter_of_another_shape_is_refused(
    checkpoint: Path, tmp_path: Path, a: tuple[int, ...], b: tuple[int, ...]
) -> None:
    name = f"{lora.PREFIX}.0.mlp.down_proj"
    tensors = {f"{name}.lora_A.weight": torch.ones(a), f"{name}.lora_B.weight": torch.ones(b)}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    write_config(tmp_path, r=2, lora_alpha=2)
    with pytest.raises(SettingsError, match="do not fit"):
        Adapter.load(tmp_path, LlamaConfig.load(checkpoint), CPU)


@pytest.mark.parametrize("members", [{}, {"r": None, "lora_alpha": 2}, {"r": 2, "lora_alpha": "many"}])
def test_an_adapter_that_does_not_say_its_scale_is_refused(
    checkpoint: Path, tmp_path: Path, members: dict[str, object]
) -> None:
    trained(checkpoint, LoraPlan(rank=2, alpha=2), tmp_path)
    write_config(tmp_path, **members)
    with pytest.raises(SettingsError, match="r and lora_alpha"):
        Adapter.load(tmp_path, LlamaConfig.load(checkpoint), CPU)


def test_tensors_that_are_not_served_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    save_file({"base_model.model.lm_head.lora_A.weight": torch.ones(2, 2)}, tmp_path / "adapter_model.safetensors")
    write_config(tmp_path, r=2, lora_alpha=2)
    with pytest.raises(SettingsError, match="lm_head"):
        Adapter.load(tmp_path, LlamaConfig.load(checkpoint), CPU)
