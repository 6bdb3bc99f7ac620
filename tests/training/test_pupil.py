"""What is trained on is what the parent was, rounded once at most, and a result is never rounded."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load

from architectures import write_network
from outcrop.domain.plan import LoraPlan
from outcrop.modeling.load import load_model
from outcrop.training.child import run
from outcrop.training.pupil import prepare, take_model
from outcrop.training.vault import ModelFolder

CPU = torch.device("cpu")
OTHER = LoraPlan(rank=2, alpha=4)


@pytest.fixture(params=["llama", "qwen3"])
def base(request: pytest.FixtureRequest, checkpoint: Path, tmp_path: Path) -> Path:
    if request.param == "llama":
        return checkpoint
    write_network(request.param, tmp_path / "base", vocabulary=60)
    return tmp_path / "base"


def learnt(job: Any, base: Path, **changes: Any) -> ModelFolder:
    plan = dataclasses.replace(job.plan, base_checkpoint=str(base), **changes)
    run(plan, job.out, [job.key], lambda event: None)
    return ModelFolder(job.out, plan.job_id, job.key)


def in_float32(base: Path, parent: ModelFolder) -> dict[str, torch.Tensor]:
    model = load_model(base, torch.float32, CPU)
    take_model(model, parent)
    return {name: tensor.clone() for name, tensor in model.give().items()}


def test_an_adapter_merged_before_the_training_is_rounded_once(base: Path, make_job: Callable[..., Any]) -> None:
    parent = learnt(make_job("parent"), base)
    plan = dataclasses.replace(make_job("child").plan, base_checkpoint=str(base), lora=OTHER, precision="bfloat16")
    found = prepare(plan, parent).model.give()
    for name, exact in in_float32(base, parent).items():
        assert torch.equal(found[name].float(), exact.bfloat16().float()), name


def test_whole_weights_of_a_parent_are_in_the_result_as_they_were(base: Path, make_job: Callable[..., Any]) -> None:
    parent = learnt(make_job("parent"), base, lora=None)
    child = make_job("child")
    plan = dataclasses.replace(
        child.plan, base_checkpoint=str(base), lora=OTHER, precision="bfloat16", learning_rate=1e-12, epochs=1
    )
    pupil = prepare(plan, parent)
    folder = ModelFolder(child.out, plan.job_id, child.key)
    pupil.save(folder)
    exact, found = in_float32(base, parent), load(folder.read("model.safetensors"))
    assert exact.keys() == found.keys()
    assert all(torch.equal(found[name], exact[name]) for name in exact)
