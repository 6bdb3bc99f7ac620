"""Any architecture through the training child: what is stored is what was trained, by transformers and when served."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from architectures import network, write_network
from outcrop.domain.errors import CheckpointError, JobFailure
from outcrop.domain.events import Step
from outcrop.domain.plan import LoraPlan
from outcrop.inference.general_models import GeneralModels
from outcrop.sealed import SealedReader
from outcrop.training.child import run

PROBE = torch.tensor([[1, 5, 9, 12, 40, 3]])
ADAPTER = LoraPlan(rank=4, alpha=8)
VOCABULARY = 60
CPU = torch.device("cpu")


@pytest.fixture
def base(tmp_path: Path) -> Callable[[str], Path]:
    def made(kind: str) -> Path:
        folder = tmp_path / kind
        if not folder.exists():
            write_network(kind, folder, vocabulary=VOCABULARY)
        return folder

    return made


def learn(job: Any, base: Path, *parents: Any, **changes: Any) -> Any:
    """Runs the job, from a parent where one is given."""
    if parents:
        changes["parent"] = str(parents[0].out)
    plan = dataclasses.replace(job.plan, base_checkpoint=str(base), **changes)
    run(plan, job.out, [job.key, *(parent.key for parent in parents)], lambda event: None)
    return job


def unsealed(job: Any, name: str) -> bytes:
    with SealedReader(job.out / name, job.key, f"model/{job.plan.job_id}/{name}".encode()) as sealed:
        return b"".join(sealed.pieces())


def opened(job: Any, folder: Path) -> Path:
    """The stored model in the clear, as an engine gets it."""
    folder.mkdir()
    for path in job.out.iterdir():
        (folder / path.name).write_bytes(unsealed(job, path.name))
    return folder


@torch.no_grad()
def by_transformers(job: Any, base: Path) -> torch.Tensor:
    """The stored model by hand, on transformers' model and nothing else."""
    model = network(base)
    if (job.out / "model.safetensors").exists():
        model.load_state_dict(load(unsealed(job, "model.safetensors")), strict=False)
        return model(PROBE).logits[0]
    about, tensors = json.loads(unsealed(job, "adapter_config.json")), load(unsealed(job, "adapter_model.safetensors"))
    for name in [name for name in tensors if "lora_A" in name]:
        layer = model.get_submodule(name.removeprefix("base_model.model.").removesuffix(".lora_A.weight"))
        update = tensors[name.replace("lora_A", "lora_B")] @ tensors[name] * about["lora_alpha"] / about["r"]
        layer.weight.data += update.t() if type(layer).__name__ == "Conv1D" else update
    return model(PROBE).logits[0]


@torch.no_grad()
def served(job: Any, base: Path, folder: Path) -> torch.Tensor:
    """What the engine computes once it has loaded the stored model."""
    models = GeneralModels(base, CPU)
    models.load("custom", opened(job, folder))
    custom = models.shelf.find("custom")
    assert custom is not None
    custom.weights.patches = custom.patches
    return custom.weights.model.network(PROBE).logits[0]


@pytest.mark.parametrize("kind", ["qwen3", "gpt2"])
@pytest.mark.parametrize("method", [ADAPTER, None], ids=["adapter", "whole"])
def test_a_model_answers_as_it_was_trained(
    kind: str, method: LoraPlan | None, base: Any, make_job: Callable[..., Any], tmp_path: Path
) -> None:
    job = learn(make_job(), base(kind), lora=method)
    expected = by_transformers(job, base(kind))
    torch.testing.assert_close(served(job, base(kind), tmp_path / "clear"), expected, atol=1e-4, rtol=1e-4)
    before = network(base(kind))(PROBE).logits[0]
    assert not torch.allclose(before, expected, atol=0.1)


def test_training_lowers_the_loss(base: Any, make_job: Callable[..., Any]) -> None:
    events: list[Any] = []
    job = make_job()
    plan = dataclasses.replace(job.plan, base_checkpoint=str(base("gemma2")), epochs=12)
    finished = run(plan, job.out, [job.key], events.append)
    first = next(event.loss for event in events if isinstance(event, Step))
    assert finished.training_loss < 0.6 * first


@pytest.mark.parametrize(
    ("parent", "child"),
    [(ADAPTER, ADAPTER), (ADAPTER, LoraPlan(rank=2, alpha=4)), (ADAPTER, None), (None, ADAPTER), (None, None)],
    ids=["continues", "another rank", "then whole", "from whole", "both whole"],
)
def test_retraining_starts_where_the_parent_ended(
    parent: LoraPlan | None, child: LoraPlan | None, base: Any, make_job: Callable[..., Any]
) -> None:
    folder = base("gpt2")
    before = learn(make_job("parent"), folder, lora=parent)
    after = learn(make_job("child"), folder, before, lora=child, learning_rate=1e-12, epochs=1)
    expected = by_transformers(before, folder)
    torch.testing.assert_close(by_transformers(after, folder), expected, atol=1e-4, rtol=1e-4)


def test_an_adapter_names_its_architectures_own_layers(base: Any, make_job: Callable[..., Any]) -> None:
    job = learn(make_job(), base("gpt2"))
    assert json.loads(unsealed(job, "adapter_config.json"))["target_modules"] == ["c_attn", "c_proj", "c_fc"]


def test_targets_that_an_architecture_does_not_have_are_named(base: Any, make_job: Callable[..., Any]) -> None:
    plan = LoraPlan(rank=2, alpha=4, targets=("q_proj", "v_proj"))
    with pytest.raises(CheckpointError, match="no linear layer q_proj, v_proj: it has c_attn, c_proj, c_fc"):
        learn(make_job(), base("gpt2"), lora=plan)


def test_whole_weights_say_their_own_type(base: Any, make_job: Callable[..., Any]) -> None:
    job = learn(make_job(), base("qwen3"), lora=None)
    about = json.loads(unsealed(job, "config.json"))
    assert about["torch_dtype"] == about["dtype"] == "float32"


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_in_four_bits_an_adapter_is_trained_that_the_base_takes(
    kind: str, base: Any, checkpoint: Path, make_job: Callable[..., Any]
) -> None:
    folder = checkpoint if kind == "llama" else base(kind)
    exact = learn(make_job("exact"), folder)
    coarse = learn(make_job("coarse"), folder, quantization="nf4")
    again = learn(make_job("again"), folder, coarse, quantization="nf4", learning_rate=1e-12, epochs=1)
    one, two = (load(unsealed(job, "adapter_model.safetensors")) for job in (exact, coarse))
    assert one.keys() == two.keys() and any(not torch.equal(one[name], two[name]) for name in one)
    before = network(folder)(PROBE).logits[0]
    moved = by_transformers(coarse, folder)
    assert not torch.allclose(before, moved, atol=0.1)
    torch.testing.assert_close(by_transformers(again, folder), moved, atol=1e-4, rtol=1e-4)


def test_four_bits_of_whole_weights_are_refused(base: Any, make_job: Callable[..., Any]) -> None:
    before = learn(make_job("parent"), base("qwen3"), lora=None)
    with pytest.raises(JobFailure, match=r"outcrop\.method lora or full"):
        learn(make_job("child"), base("qwen3"), before, quantization="nf4")


def test_a_parent_of_another_architecture_is_refused(base: Any, make_job: Callable[..., Any]) -> None:
    before = learn(make_job("parent"), base("gpt2"), lora=None)
    with pytest.raises(JobFailure, match="not fit the base model"):
        learn(make_job("child"), base("qwen3"), before)


def test_the_same_plan_gives_bit_equal_losses(base: Any, make_job: Callable[..., Any]) -> None:
    """The adapter's dropout included."""
    folder = base("qwen3")
    plan = LoraPlan(rank=4, alpha=8, dropout=0.1)
    runs = []
    for name in ("one", "two"):
        events: list[Any] = []
        job = make_job(name)
        changed = dataclasses.replace(job.plan, base_checkpoint=str(folder), lora=plan)
        run(changed, job.out, [job.key], events.append)
        runs.append([event.loss for event in events if isinstance(event, Step)])
    assert runs[0] == runs[1]
