"""Adapters compute what PEFT's formula says, and their gradients are right."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from outcrop.domain.plan import LoraPlan
from outcrop.modeling import lora
from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed

ROW = torch.arange(3, 60)


def with_adapter(folder: Any, plan: LoraPlan) -> tuple[Llama, dict[tuple[int, str], lora.Lora]]:
    model = Llama.load(folder)
    adapters = lora.attach(model, plan, seed=5)
    random = torch.Generator().manual_seed(9)
    for adapter in adapters.values():
        for up in adapter.ups:
            up.data = 0.1 * torch.randn(up.shape, generator=random)
    return model, adapters


def test_a_fresh_adapter_changes_nothing(make_checkpoint: Callable[..., Any]) -> None:
    model = Llama.load(make_checkpoint().folder)
    before = model(Packed.of([ROW]))
    lora.attach(model, LoraPlan(), seed=0)
    torch.testing.assert_close(model(Packed.of([ROW])), before)


@pytest.mark.parametrize("targets", [LoraPlan().targets, ("q_proj", "v_proj"), ("k_proj", "down_proj", "up_proj")])
def test_an_adapter_equals_its_update_in_the_weights(
    targets: tuple[str, ...], make_checkpoint: Callable[..., Any]
) -> None:
    reference = make_checkpoint(num_key_value_heads=2)
    plan = LoraPlan(rank=4, alpha=6, targets=targets)
    model, adapters = with_adapter(reference.folder, plan)
    tensors = lora.give(adapters, targets)
    assert len(tensors) == 2 * 3 * len(targets)
    for name in [name for name in tensors if name.endswith("lora_A.weight")]:
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        update = tensors[name.replace("lora_A", "lora_B")] @ tensors[name] * 6 / 4
        reference.model.get_parameter(f"{module}.weight").data += update
    expected = reference.model(ROW[None]).logits[0]
    torch.testing.assert_close(model(Packed.of([ROW])), expected, atol=1e-5, rtol=1e-5)
    lora.merge(model, adapters)
    lora.detach(model)
    torch.testing.assert_close(model(Packed.of([ROW])), expected, atol=1e-5, rtol=1e-5)


def test_adapter_gradients_are_those_of_plain_autograd(make_checkpoint: Callable[..., Any]) -> None:
    model, adapters = with_adapter(make_checkpoint().folder, LoraPlan(rank=4, alpha=8))
    found, expected = (_gradients(model, adapters, plain) for plain in (False, True))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5 * other.abs().max().item(), rtol=1e-4)


def test_an_adapter_in_bfloat16_stays_near(make_checkpoint: Callable[..., Any]) -> None:
    folder = make_checkpoint().folder
    exact, _ = with_adapter(folder, LoraPlan(rank=4, alpha=8))
    rough = Llama.load(folder, torch.bfloat16)
    adapters = lora.attach(rough, LoraPlan(rank=4, alpha=8), seed=5)
    lora.take(
        adapters, LoraPlan().targets, lora.give(with_adapter(folder, LoraPlan(rank=4, alpha=8))[1], LoraPlan().targets)
    )
    losses = [model.loss(Packed.of([ROW]), torch.arange(50), ROW[1:51]) for model in (exact, rough)]
    losses[1].backward()
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.02)
    assert all(adapter.down.grad is not None and adapter.down.dtype == torch.float32 for adapter in adapters.values())


def test_dropout_acts_in_training_only(make_checkpoint: Callable[..., Any]) -> None:
    model, _ = with_adapter(make_checkpoint().folder, LoraPlan(rank=4, alpha=8, dropout=0.5))
    plain, _ = with_adapter(make_checkpoint().folder, LoraPlan(rank=4, alpha=8))
    assert not torch.allclose(model.train()(Packed.of([ROW])), plain(Packed.of([ROW])), atol=1e-3)
    torch.testing.assert_close(model.eval()(Packed.of([ROW])), plain(Packed.of([ROW])))


def test_matrices_of_another_shape_are_refused(make_checkpoint: Callable[..., Any]) -> None:
    folder = make_checkpoint().folder
    _, other = with_adapter(folder, LoraPlan(rank=2))
    _, adapters = with_adapter(folder, LoraPlan(rank=4))
    with pytest.raises(RuntimeError):
        lora.take(adapters, LoraPlan().targets, lora.give(other, LoraPlan().targets))


def _gradients(model: Llama, adapters: dict[tuple[int, str], lora.Lora], plain: bool) -> list[torch.Tensor]:
    """Of every adapter's parameter; `plain` takes the path that autograd differentiates by itself."""
    for adapter in adapters.values():
        adapter.dropout = 1e-12 if plain else 0.0
    parameters = [parameter for adapter in adapters.values() for parameter in adapter.parameters()]
    return list(torch.autograd.grad(model.train()(Packed.of([ROW])).logsumexp(-1).sum(), parameters))
