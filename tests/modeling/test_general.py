"""The general path equals plain transformers on each row alone, for every architecture."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from architectures import ARCHITECTURES, VOCABULARY, network, rows_of
from outcrop.modeling.general import General
from outcrop.modeling.packed import Packed
from outcrop.modeling.transformers_library import layers_of

Folder = Callable[[str], Path]


def learnt(rows: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The last third of every row is learnt: where it is predicted from among the packed tokens, and the tokens."""
    wanted, targets, before = [], [], 0
    for row in rows:
        start = len(row) - max(1, len(row) // 3)
        wanted.append(torch.arange(before + start - 1, before + len(row) - 1))
        targets.append(row[start:])
        before += len(row) - 1
    return torch.cat(wanted), torch.cat(targets)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_loss_and_gradients_equal_transformers_on_rows_alone(kind: str, folder: Folder) -> None:
    rows = rows_of(9, 24, 3, 24, 9)
    oracle, model = network(folder(kind)), General.load(folder(kind))
    expected = torch.zeros(())
    for row in rows:
        start = len(row) - max(1, len(row) // 3)
        logits = oracle(input_ids=row[None]).logits[0, start - 1 : -1]
        expected = expected + cross_entropy(logits, row[start:], reduction="sum")
    expected.backward()
    found = model.loss(Packed.of([row[:-1] for row in rows]), *learnt(rows))
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = {name: parameter.grad for name, parameter in oracle.named_parameters() if parameter.grad is not None}
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    for name, wanted in gradients.items():
        gradient = model.network.get_parameter(name).grad
        # A bias of keys has no gradient but rounding: attention does not change with it.
        scale = max(wanted.abs().max().item(), 1e-2 * largest)
        torch.testing.assert_close(gradient, wanted, atol=1e-5 * scale, rtol=1e-4)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_row_reads_nothing_of_its_neighbours(kind: str, folder: Folder) -> None:
    model = General.load(folder(kind))
    first, second, other = rows_of(20, 20, 20)
    with torch.no_grad():
        one, two = (model(Packed.of([before, second]))[20:] for before in (first, other))
        alone = model(Packed.of([second]))
    if kind != "mixtral":  # the experts' sums are ordered by who else is there
        assert torch.equal(one, two)
    torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(one, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_is_given_is_what_the_checkpoint_holds_and_is_taken_back(kind: str, folder: Folder) -> None:
    model = General.load(folder(kind))
    held, given = load_file(folder(kind) / "model.safetensors"), model.give()
    assert given.keys() == held.keys()
    assert all(torch.equal(given[name], held[name]) for name in held)
    changed = {name: tensor * 1.25 for name, tensor in given.items()}
    model.take(changed)
    again = model.give()
    assert all(torch.equal(again[name], changed[name]) for name in changed)


def test_weights_that_lack_a_tensor_are_not_taken(folder: Folder) -> None:
    model = General.load(folder("qwen3"))
    tensors = model.give()
    tensors.pop("model.norm.weight")
    with pytest.raises(KeyError, match=r"model\.norm\.weight"):
        model.take(tensors)


def test_a_network_that_reads_what_comes_after_is_refused(folder: Folder) -> None:
    from transformers import BertConfig, BertLMHeadModel

    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = BertLMHeadModel(BertConfig(vocab_size=VOCABULARY, **shape)).eval()
    assert not General(model).is_causal()
    assert General.load(folder("gemma2")).is_causal()


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_layers_computed_again_give_the_same_bits(kind: str, folder: Folder) -> None:
    rows, found = rows_of(9, 24, 3), []
    for again in (False, True):
        model = General.load(folder(kind))
        assert len(layers_of(model.network)) == 2
        if again:
            model.recompute()
        loss = model.loss(Packed.of([row[:-1] for row in rows]), *learnt(rows))
        loss.backward()
        found.append([loss, *(held.grad for held in model.parameters() if held.grad is not None)])
    assert all(torch.equal(once, twice) for once, twice in zip(*found, strict=True))
