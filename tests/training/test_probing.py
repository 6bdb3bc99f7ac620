"""Probes say what transformers says, of the checkpoint before training and of the stored model after it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from transformers import LlamaForCausalLM

from outcrop.domain.parity import FLOOR_MEAN, Parity, measure
from outcrop.domain.plan import LoraPlan
from outcrop.domain.probes import PROBE_ROWS, PROBES_FILE, SCORED_TOKENS, Place, Probes
from outcrop.modeling.llama import Llama
from outcrop.sealed import SealedReader
from outcrop.text import Rendered
from outcrop.training.adapter import AdapterData
from outcrop.training.child import run
from outcrop.training.probing import answers
from outcrop.training.pupil import put_adapter

ADAPTER = LoraPlan(rank=4, alpha=7)


def unsealed(job: Any, name: str) -> bytes:
    with SealedReader(job.out / name, job.key, f"model/{job.plan.job_id}/{name}".encode()) as sealed:
        return b"".join(sealed.pieces())


def probes_of(job: Any, **changes: Any) -> Probes:
    run(job.plan, job.out, [job.key], lambda event: None)
    return Probes.from_json(unsealed(job, PROBES_FILE))


def agree(model: LlamaForCausalLM, tokens: tuple[int, ...], places: tuple[Place, ...]) -> None:
    with torch.no_grad():
        chances = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
    for place, row, token in zip(places, chances, tokens[1:], strict=False):
        assert token in place and set(row.topk(4).indices.tolist()) <= place.keys()
        for name, chance in place.items():
            assert chance == pytest.approx(float(row[name]), abs=1e-4)


def stored(job: Any, checkpoint: Path) -> LlamaForCausalLM:
    model = LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    if job.plan.lora is None:
        model.load_state_dict(load(unsealed(job, "model.safetensors")), strict=False)
        return model
    config, tensors = json.loads(unsealed(job, "adapter_config.json")), load(unsealed(job, "adapter_model.safetensors"))
    for name in [name for name in tensors if "lora_A" in name]:
        weight = model.get_parameter(name.removeprefix("base_model.model.").replace("lora_A.weight", "weight"))
        weight.data += tensors[name.replace("lora_A", "lora_B")] @ tensors[name] * config["lora_alpha"] / config["r"]
    return model


@pytest.mark.parametrize(
    "changes",
    [{"lora": ADAPTER}, {"lora": None}, {"lora": ADAPTER, "quantization": "nf4"}],
    ids=["adapter", "whole weights", "over 4 bits"],
)
def test_the_answers_are_the_checkpoints_and_the_stored_models(
    make_job: Callable[..., Any], checkpoint: Path, changes: dict[str, Any], rows: list[Rendered]
) -> None:
    """As they are served: over whole weights, however it was trained."""
    job = make_job(**changes)
    probes = probes_of(job)
    assert [row.tokens for row in probes.rows] == [tuple(row.ids) for row in rows[:PROBE_ROWS]]
    assert [row.prompt for row in probes.rows] == [row.trained.index(True) for row in rows[:PROBE_ROWS]]
    base, trained = LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float32), stored(job, checkpoint)
    for row in probes.rows:
        agree(base, row.tokens, row.base)
        agree(trained, row.tokens, row.model)
        assert row.base != row.model


def test_over_4_bits_an_adapter_that_is_lost_or_doubled_is_noticed(
    make_job: Callable[..., Any], checkpoint: Path
) -> None:
    job = make_job(lora=ADAPTER, quantization="nf4", precision="bfloat16")
    probes = probes_of(job)
    rows = [row.tokens for row in probes.rows]
    base = Llama.load(checkpoint)
    before = answers(base, rows)
    data = AdapterData.parse(unsealed(job, "adapter_config.json"), unsealed(job, "adapter_model.safetensors"))

    def heard(scale: float) -> Parity:
        put_adapter(base, replace(data, plan=replace(data.plan, alpha=data.plan.alpha * scale)))
        return measure(probes, before, answers(base, rows))

    assert heard(1.0).holds and heard(1.0).base.mean < FLOOR_MEAN
    assert not [scale for scale in (0.0, 0.9, 1.01, 2.0) if heard(scale).holds]


def test_a_row_is_scored_at_its_first_places_and_leaves_room_to_answer(checkpoint: Path) -> None:
    model = Llama.load(checkpoint)
    lengths = (2, 3, 100, SCORED_TOKENS, 2 * SCORED_TOKENS)
    assert model.config.context_tokens == lengths[-1], "one that fills the context is among them"
    found = answers(model, [([1, *range(3, 59)] * 10)[:length] for length in lengths])
    assert [len(places) + 1 for places in found] == [2, 2, 99, SCORED_TOKENS - 1, SCORED_TOKENS]
