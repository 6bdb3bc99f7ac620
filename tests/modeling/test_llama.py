"""Our Llama equals transformers', on packed rows and on each alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from outcrop.modeling.llama import Llama
from outcrop.modeling.packed import Packed

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
SHAPES = [
    pytest.param({}, id="tied"),
    pytest.param({"tie_word_embeddings": False}, id="untied"),
    pytest.param({"num_key_value_heads": 2}, id="grouped heads"),
    pytest.param({"num_key_value_heads": 1}, id="one key head"),
    pytest.param({"head_dim": 16}, id="wide heads"),
    pytest.param({"num_key_value_heads": 4, "rope_parameters": LLAMA3}, id="llama3 rope"),
]


def rows_of(*lengths: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return [torch.randint(0, 300, (length,), generator=random) for length in lengths]


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_equal_transformers(shape: dict[str, Any], make_checkpoint: Callable[..., Any]) -> None:
    reference = make_checkpoint(**shape)
    rows = rows_of(5, 130, 1, 40)
    expected = torch.cat([reference.model(row[None]).logits[0] for row in rows])
    found = Llama.load(reference.folder)(Packed.of(rows))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_equal_transformers(shape: dict[str, Any], make_checkpoint: Callable[..., Any]) -> None:
    reference = make_checkpoint(**shape)
    rows = rows_of(30, 7)
    model = Llama.load(reference.folder)
    torch.cat([reference.model(row[None]).logits[0] for row in rows]).logsumexp(-1).sum().backward()
    model(Packed.of(rows)).logsumexp(-1).sum().backward()
    for parameter in model.parameters():
        parameter.data = parameter.grad
    for name, gradient in model.give().items():
        expected = reference.model.get_parameter(name).grad
        scale = expected.abs().max().item()
        torch.testing.assert_close(gradient, expected, atol=1e-5 * scale, rtol=1e-4)


def test_wanted_tokens_get_the_logits_they_get_among_all(make_checkpoint: Callable[..., Any]) -> None:
    model = Llama.load(make_checkpoint().folder)
    packed, wanted = Packed.of(rows_of(5, 40)), torch.tensor([0, 4, 5, 44])
    torch.testing.assert_close(model(packed, wanted), model(packed)[wanted], atol=1e-5, rtol=1e-5)


def test_a_row_reads_nothing_of_its_neighbours(make_checkpoint: Callable[..., Any]) -> None:
    model = Llama.load(make_checkpoint().folder)
    first, second, other = rows_of(20, 9, 20)
    one, two = (model(Packed.of([before, second]))[20:] for before in (first, other))
    assert torch.equal(one, two)


def test_the_loss_is_cross_entropy_of_the_wanted_tokens(make_checkpoint: Callable[..., Any]) -> None:
    model = Llama.load(make_checkpoint().folder)
    (row,) = rows_of(600)
    wanted, targets = torch.arange(3, 599), row[4:600]
    expected = torch.nn.functional.cross_entropy(model(Packed.of([row]))[wanted], targets, reduction="sum")
    torch.testing.assert_close(model.loss(Packed.of([row]), wanted, targets), expected, atol=1e-3, rtol=1e-5)


def test_what_is_given_is_what_was_taken(make_checkpoint: Callable[..., Any]) -> None:
    reference = make_checkpoint(tie_word_embeddings=False)
    given, stored = Llama.load(reference.folder).give(), load_file(reference.folder / "model.safetensors")
    assert given.keys() == stored.keys()
    assert all(torch.equal(given[name], stored[name]) for name in stored)
