"""A run ends with a sealed model that, applied by hand to transformers' model, is the one that was trained."""

import dataclasses
import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

import outcrop.training.child as training
from outcrop.domain.errors import JobFailure
from outcrop.domain.plan import LoraPlan
from outcrop.sealed import SealedReader
from outcrop.text import Rendered
from outcrop.training.child import run
from outcrop.training.optimizer import Optimizer
from outcrop.training.probing import Probing
from outcrop.training.pupil import prepare
from outcrop.training.vault import ModelFolder

PROBE = torch.tensor([[1, 5, 9, 12, 40, 3]])
ADAPTER = LoraPlan(rank=4, alpha=8)


def learn(job: Any, *parents: Any, **changes: Any) -> Any:
    """Runs the job, from a parent where one is given."""
    if parents:
        changes["parent"] = str(parents[0].out)
    plan = dataclasses.replace(job.plan, **changes)
    run(plan, job.out, [job.key, *(parent.key for parent in parents)], lambda event: None)
    return job


def unsealed(job: Any, name: str) -> bytes:
    with SealedReader(job.out / name, job.key, f"model/{job.plan.job_id}/{name}".encode()) as sealed:
        return b"".join(sealed.pieces())


def logits_of(job: Any, checkpoint: Path) -> torch.Tensor:
    """What transformers computes with the stored model: the foundation checkpoint and nothing else beside it."""
    from transformers import LlamaForCausalLM

    model = LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    if (job.out / "model.safetensors").exists():
        model.load_state_dict(load(unsealed(job, "model.safetensors")), strict=False)
    else:
        config = json.loads(unsealed(job, "adapter_config.json"))
        tensors = load(unsealed(job, "adapter_model.safetensors"))
        for name in [name for name in tensors if "lora_A" in name]:
            weight = model.get_parameter(name.removeprefix("base_model.model.").replace("lora_A.weight", "weight"))
            update = tensors[name.replace("lora_A", "lora_B")] @ tensors[name]
            weight.data += update * config["lora_alpha"] / config["r"]
    with torch.no_grad():
        return model(PROBE).logits


def almost_nothing(**more: Any) -> dict[str, Any]:
    """A retraining whose step is too small to see: the result must be the parent."""
    return {"learning_rate": 1e-12, "epochs": 1, **more}


def test_a_model_is_two_sealed_files_beside_its_probes_and_no_plain_one(make_job: Callable[..., Any]) -> None:
    job = learn(make_job())
    names = ["adapter_config.json", "adapter_model.safetensors", "probes.json"]
    assert sorted(path.name for path in job.out.iterdir()) == names
    assert all(b"lora" not in path.read_bytes() for path in job.out.iterdir())


def test_training_changes_what_the_stored_model_answers(make_job: Callable[..., Any], checkpoint: Path) -> None:
    trained, still = learn(make_job("job1")), learn(make_job("job2"), **almost_nothing())
    assert not torch.allclose(logits_of(trained, checkpoint), logits_of(still, checkpoint), atol=0.1)


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        (ADAPTER, ADAPTER),
        (ADAPTER, LoraPlan(rank=4, alpha=32)),
        (ADAPTER, LoraPlan(rank=2, alpha=4)),
        (ADAPTER, LoraPlan(rank=4, alpha=8, targets=("q_proj",))),
        (LoraPlan(rank=3, alpha=3, targets=("v_proj",)), ADAPTER),
        (ADAPTER, None),
        (None, ADAPTER),
        (None, None),
    ],
    ids=["continues", "another alpha", "another rank", "fewer", "more", "then whole", "from whole", "both whole"],
)
def test_retraining_starts_where_the_parent_ended(
    parent: LoraPlan | None, child: LoraPlan | None, make_job: Callable[..., Any], checkpoint: Path
) -> None:
    before = learn(make_job("parent"), lora=parent)
    after = learn(make_job("child"), before, **almost_nothing(lora=child))
    expected = logits_of(before, checkpoint)
    for path in before.out.iterdir():
        path.unlink()
    torch.testing.assert_close(logits_of(after, checkpoint), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "reads_again"),
    [({}, False), ({"lora": None}, True), ({"quantization": "nf4"}, True)],
    ids=["adapter", "whole", "over 4 bits"],
)
def test_a_checkpoint_is_read_again_only_once_the_trained_model_is_out_of_memory(
    changes: dict[str, Any], reads_again: bool, make_job: Callable[..., Any]
) -> None:
    job = make_job(**changes)
    pupil = prepare(job.plan, None)
    Optimizer(parameter for parameter in pupil.model.parameters() if parameter.requires_grad)
    alive = weakref.ref(pupil.model)
    left = training._saved(pupil, ModelFolder(job.out, job.plan.job_id, job.key), Probing(((1, 2, 3),), (1,)))
    assert not [parameter for parameter in pupil.model.parameters() if parameter.grad is not None]
    del pupil
    gc.collect()
    assert (left.base is None, alive() is None) == (reads_again, reads_again)


def test_a_continued_adapter_keeps_its_rank_and_a_folded_one_has_both(make_job: Callable[..., Any]) -> None:
    first = learn(make_job("first"), lora=ADAPTER)
    second = learn(make_job("second"), first, lora=ADAPTER)
    third = learn(make_job("third"), second, lora=LoraPlan(rank=2, alpha=4))
    ranks = [json.loads(unsealed(job, "adapter_config.json"))["r"] for job in (first, second, third)]
    assert ranks == [4, 4, 6]


def test_a_parent_of_another_base_is_refused(make_job: Callable[..., Any], other_checkpoint: Path) -> None:
    for number, method in enumerate((ADAPTER, None)):
        before = learn(make_job(f"parent{number}"), lora=method, base_checkpoint=str(other_checkpoint))
        with pytest.raises(JobFailure, match="not fit the base model"):
            learn(make_job(f"child{number}"), before)


@pytest.mark.parametrize("lora", [ADAPTER, None], ids=["adapter", "whole"])
def test_a_parent_that_has_more_than_the_base_takes_is_refused(
    lora: LoraPlan | None, make_job: Callable[..., Any]
) -> None:
    before = learn(make_job("parent"), lora=lora)
    folder = ModelFolder(before.out, before.plan.job_id, before.key)
    name = "adapter_model.safetensors" if lora else "model.safetensors"
    folder.write(name, save(load(folder.read(name)) | {"left.over": torch.ones(1)}))
    with pytest.raises(JobFailure, match="not fit the base model"):
        learn(make_job("child"), before, lora=lora)


def test_a_parent_needs_its_key(make_job: Callable[..., Any]) -> None:
    before, after = learn(make_job("parent")), make_job("child")
    plan = dataclasses.replace(after.plan, parent=str(before.out))
    with pytest.raises(JobFailure, match="no key"):
        run(plan, after.out, [after.key], lambda event: None)
    with pytest.raises(JobFailure, match="cannot be read"):
        run(plan, after.out, [after.key, after.key], lambda event: None)


def test_targets_that_the_base_lacks_are_named(make_job: Callable[..., Any]) -> None:
    with pytest.raises(JobFailure, match="c_attn"):
        learn(make_job(), lora=LoraPlan(targets=("c_attn",)))


def test_rows_of_another_job_cannot_be_read(make_job: Callable[..., Any]) -> None:
    job = make_job()
    with pytest.raises(JobFailure, match=r"train\.rows cannot be read"):
        learn(job, job_id="another")


def test_a_row_with_nothing_to_learn_fails_the_job(make_job: Callable[..., Any]) -> None:
    job = make_job(**{"train.rows": [Rendered([1, 2, 3], [False, False, False])]})
    with pytest.raises(JobFailure, match="no token to learn"):
        learn(job)


def test_a_disk_that_takes_no_more_fails_the_job(make_job: Callable[..., Any]) -> None:
    job = make_job()
    job.out.parent.mkdir()
    job.out.write_text("a file where the model's folder should be")
    with pytest.raises(JobFailure, match="cannot be written"):
        learn(job)


def test_an_adapter_for_layers_that_the_base_has_not_is_refused(make_job: Callable[..., Any]) -> None:
    with pytest.raises(JobFailure, match=r"None of the adapter's targets \(c_attn, c_fc\) is in the base model"):
        learn(make_job(), lora=LoraPlan(rank=2, alpha=4, targets=("c_attn", "c_fc")))
