"""Weights in 4 bits: what is computed with them is exactly what their rounded values give, on both paths."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from architectures import rows_of, write_network
from outcrop.domain.plan import LoraPlan
from outcrop.families.catalogue import PEBBLE
from outcrop.modeling.attaching import attach, quantize, spelled_out_for
from outcrop.modeling.general import General
from outcrop.modeling.linear_layers import is_transposed, linear_layers
from outcrop.modeling.llama import Llama
from outcrop.modeling.model import CausalModel
from outcrop.modeling.packed import Packed
from outcrop.modeling.quantized import QuantizedLinear, Stored

CPU = torch.device("cpu")
PLAN = LoraPlan(rank=3, alpha=6)
ROWS = Packed.of(rows_of(12, 30, 12))
WANTED, TARGETS = torch.tensor([3, 9, 20, 40, 50]), torch.tensor([5, 6, 7, 8, 9])


def test_four_bits_take_an_eighth_and_come_near() -> None:
    weight = torch.randn(96, 128, generator=torch.Generator().manual_seed(0))
    stored = Stored(weight)
    assert stored._values.nbytes * 8 == weight.nbytes
    error = (stored.whole(torch.float32) - weight).abs().mean()
    assert 0 < error < 0.1 * weight.abs().mean()
    assert stored.whole(torch.bfloat16).dtype == torch.bfloat16


def rounded_llama() -> Llama:
    """The pebble with every projection's weight as 4 bits leave it."""
    model = Llama.load(PEBBLE)
    for projection in model.projections().values():
        projection.weight.data = Stored(projection.weight.detach()).whole(torch.float32)
    return model


def rounded_general(folder: Path) -> General:
    model = General.load(folder)
    for layer in linear_layers(model.network).values():
        weight = layer.weight.data.t() if is_transposed(layer) else layer.weight.data
        whole = Stored(weight).whole(torch.float32)
        layer.weight.data = whole.t().contiguous() if is_transposed(layer) else whole
    return model


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str], tuple[CausalModel, CausalModel]]:
    """A model in 4 bits, and one whose full-precision weights are what those stand for."""

    def made(kind: str) -> tuple[CausalModel, CausalModel]:
        if kind != "llama":
            write_network(kind, tmp_path)
        model = Llama.load(PEBBLE) if kind == "llama" else General.load(tmp_path)
        quantize(model, CPU)
        return model, rounded_llama() if kind == "llama" else rounded_general(tmp_path)

    return made


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_loss_and_gradients_are_those_of_the_rounded_weights(
    kind: str, dropout: float, pair: Callable[[str], tuple[CausalModel, CausalModel]]
) -> None:
    losses, gradients = [], []
    for model in pair(kind):
        plan = spelled_out_for(model, LoraPlan(rank=3, alpha=6, dropout=dropout))
        adapter = attach(model, plan, seed=1)
        assert adapter is not None
        torch.manual_seed(2)
        adapter.take({name: torch.randn_like(tensor) * 0.05 for name, tensor in adapter.give().items()})
        model.train()
        torch.manual_seed(3)
        loss = model.loss(ROWS, WANTED, TARGETS)
        loss.backward()
        losses.append(loss.item())
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        assert all(parameter.dtype == torch.float32 for parameter in trained)
        gradients.append(torch.cat([p.grad.flatten() for p in trained if p.grad is not None]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5 * gradients[1].abs().max().item(), rtol=1e-3)


def test_no_whole_weight_is_kept_for_the_way_back() -> None:
    """What a layer saves for its backward pass is its input, not a matrix."""
    weight = torch.randn(64, 128, generator=torch.Generator().manual_seed(0))
    layer, saved = QuantizedLinear(weight, None), []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = layer(torch.randn(2, 128, requires_grad=True))
    outputs.sum().backward()
    assert all(size < weight.numel() for size in saved)


def test_the_head_and_the_embedding_stay_as_they_are(tmp_path: Path) -> None:
    write_network("qwen3", tmp_path)
    model = General.load(tmp_path)
    quantize(model, CPU)
    names = {name.rpartition(".")[2] for name, _ in model.network.named_parameters()}
    assert names == {"weight"}
    kept = [name for name, layer in model.network.named_modules() if isinstance(layer, torch.nn.Linear)]
    assert kept == ["lm_head"]
    assert all(isinstance(layer, QuantizedLinear) for layer in linear_layers(model.network).values())
