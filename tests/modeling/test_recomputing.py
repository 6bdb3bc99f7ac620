"""A layer that is computed again keeps nothing in between, and draws the same random numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import dropout

from architectures import rows_of, write_network
from outcrop.modeling.general import General
from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed
from outcrop.modeling.recomputing import recomputed
from outcrop.modeling.transformers_library import layers_of


def test_dropout_drops_the_same_again() -> None:
    inputs, gradients = torch.randn(64, requires_grad=True), []
    for run in (lambda held: dropout(held.exp()), lambda held: recomputed(lambda again: dropout(again.exp()), held)):
        torch.manual_seed(7)
        gradients.extend(torch.autograd.grad(run(inputs).sum(), inputs))
    assert torch.equal(*gradients)


def passes(layer: torch.nn.Module, model: Any, rows: list[torch.Tensor]) -> int:
    """How often the layer is computed for a loss and its gradients."""
    seen = []
    hook = layer.register_forward_hook(lambda *_: seen.append(1))
    wanted = torch.tensor([len(rows[0]) - 2])
    model.loss(Packed.of([row[:-1] for row in rows]), wanted, rows[0][-1:]).backward()
    hook.remove()
    return len(seen)


def test_all_layers_but_a_llamas_last_are_computed_twice(make_checkpoint: Callable[..., Any]) -> None:
    model = Llama.load(make_checkpoint().folder)
    rows = [torch.tensor([1, 5, 9, 3]), torch.tensor([2, 4, 6])]
    assert [passes(layer.gate_up, model, rows) for layer in model.layers] == [1] * len(model.layers)
    model.recompute()
    assert [passes(layer.gate_up, model, rows) for layer in model.layers] == [2] * (len(model.layers) - 1) + [1]


def test_all_layers_of_another_architecture_are_computed_twice(tmp_path: Path) -> None:
    write_network("gpt2", tmp_path)
    model, rows = General.load(tmp_path), rows_of(9, 5)
    model.recompute()
    inner = [layer.mlp.c_fc for layer in layers_of(model.network)]
    assert inner and [passes(layer, model, rows[:1]) for layer in inner] == [2] * len(inner)
