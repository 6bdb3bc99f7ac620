"""An export is what other tools load and our engine answers, and it is whole, private and examined or not there."""

import io
import json
import stat
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM

from architectures import write_network
from outcrop.domain.errors import OutcropError
from outcrop.domain.parity import FLOOR_MEAN
from outcrop.domain.plan import LoraPlan
from outcrop.domain.probes import PROBES_FILE, Probe, Probes
from outcrop.inference.cache import Cache
from outcrop.inference.models import Models
from outcrop.inference.places import Patched, Place
from outcrop.modeling.config import LlamaConfig
from outcrop.training import export as exporting
from outcrop.training.child import run
from outcrop.training.export import Request, export, main
from outcrop.training.vault import ModelFolder

PROBE = torch.tensor([[1, 5, 9, 12, 40, 3]])
CPU = torch.device("cpu")
Make = Callable[..., Any]


def learn(job: Any, *parents: Any) -> Any:
    plan = replace(job.plan, parent=str(parents[0].out)) if parents else job.plan
    run(plan, job.out, [job.key, *(parent.key for parent in parents)], lambda event: None)
    return job


def request_of(job: Any, form: str, to: Path) -> Request:
    plan, about = job.plan, {"folder": str(job.out), "to": str(to), "name": "mine"}
    to.parent.mkdir(parents=True, exist_ok=True)
    part = tempfile.mkdtemp(dir=to.parent, prefix=".part-")
    return Request(job_id=plan.job_id, base=plan.base_checkpoint, format=form, part=part, **about)  # type: ignore[arg-type]  # one of the two


@torch.inference_mode()
def engine_logits(base: Path, folder: Path) -> Tensor:
    """What our engine computes for the probe with what lies in `folder`."""
    config = LlamaConfig.load(base)
    models = Models(base, config, CPU)
    models.load("mine", folder)
    model, count = models.shelf.find("mine"), PROBE.shape[1]
    assert model is not None
    cache = Cache(config, 64, CPU)
    cache.prepare([], 1, count)
    patched = [] if model.adapter is None else [Patched(0, count, model.adapter)]
    return model.network.logits(model.network.forward(PROBE[0].tolist(), [Place(0, 0, count)], cache, patched))


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = model.eval()(PROBE).logits[0]
    return found


def modes(folder: Path) -> Iterator[tuple[str, int]]:
    yield ".", stat.S_IMODE(folder.stat().st_mode)
    for file in folder.iterdir():
        yield file.name, stat.S_IMODE(file.stat().st_mode)


@pytest.fixture
def adapter(make_job: Make) -> Any:
    return learn(make_job(lora=LoraPlan(rank=4, alpha=7)))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft asks it
def test_a_peft_export_is_the_model_in_peft_and_in_our_engine(adapter: Any, checkpoint: Path, tmp_path: Path) -> None:
    to = tmp_path / "exports" / "peft"
    parity = export(request_of(adapter, "peft", to), adapter.key)
    assert parity.holds and parity.own.mean < 1e-5 < parity.moved.mean
    assert dict(modes(to)) == {
        ".": 0o700,
        "README.md": 0o600,
        "adapter_config.json": 0o600,
        "adapter_model.safetensors": 0o600,
    }
    assert json.loads((to / "adapter_config.json").read_text())["base_model_name_or_path"] == str(checkpoint)
    base = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    before = logits(base)
    loaded = logits(PeftModel.from_pretrained(base, to))
    torch.testing.assert_close(loaded, engine_logits(checkpoint, to), atol=1e-4, rtol=1e-4)
    assert (loaded - before).abs().max() > 0.1


ADAPTER = LoraPlan(rank=4, alpha=7)


@pytest.mark.parametrize(
    ("parent", "own"),
    [((), ADAPTER), ((), None), ((ADAPTER,), LoraPlan(rank=2, alpha=3)), ((None,), ADAPTER)],
    ids=["adapter", "whole weights", "folded", "adapter on whole weights"],
)
def test_a_merged_export_is_the_model_in_transformers_and_in_our_engine(
    make_job: Make, checkpoint: Path, tmp_path: Path, parent: tuple[LoraPlan | None, ...], own: LoraPlan | None
) -> None:
    before = [learn(make_job("parent", lora=plan)) for plan in parent]
    job = learn(make_job("own", lora=own), *before)
    to = tmp_path / "merged"
    to.mkdir()
    parity = export(request_of(job, "merged", to), job.key)
    assert parity.own.mean < 1e-4
    loaded = AutoModelForCausalLM.from_pretrained(to)
    assert loaded.dtype is torch.float32
    torch.testing.assert_close(logits(loaded), engine_logits(checkpoint, to), atol=1e-4, rtol=1e-4)


def test_the_files_of_the_checkpoint_that_a_merged_export_needs_go_with_it(
    adapter: Any, checkpoint: Path, tmp_path: Path
) -> None:
    names = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "LICENSE.txt")
    for name in names:
        (checkpoint / name).write_text("{}")
    try:
        export(request_of(adapter, "merged", tmp_path / "merged"), adapter.key)
    finally:
        for name in names:
            (checkpoint / name).unlink()
    found = {*names, "config.json", "model.safetensors", "README.md"}
    assert {file.name for file in (tmp_path / "merged").iterdir()} == found
    assert {mode for name, mode in modes(tmp_path / "merged") if name != "."} == {0o600}


def test_large_weights_lie_in_several_files_that_transformers_joins(
    adapter: Any, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    export(request_of(adapter, "merged", whole), adapter.key)
    monkeypatch.setattr(exporting, "SHARD_BYTES", 10_000)
    export(request_of(adapter, "merged", parts), adapter.key)
    assert len(list(parts.glob("model-*.safetensors"))) > 2 and not (parts / "model.safetensors").exists()
    one, other = (AutoModelForCausalLM.from_pretrained(folder) for folder in (whole, parts))
    assert torch.equal(logits(one), logits(other))


def test_another_architecture_is_merged_as_well(make_job: Make, tmp_path: Path) -> None:
    base = tmp_path / "qwen3"
    write_network("qwen3", base)
    job = learn(make_job(base_checkpoint=str(base), lora=LoraPlan(rank=4, alpha=7)))
    parity = export(request_of(job, "merged", tmp_path / "merged"), job.key)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    folder = ModelFolder(job.out, job.plan.job_id, job.key)
    (row, *_) = Probes.from_json(folder.read(PROBES_FILE)).rows
    with torch.no_grad():
        chances = loaded(torch.tensor([row.scored])).logits[0].log_softmax(-1)
    for place, heard in zip(row.model, chances, strict=False):
        assert place == {name: pytest.approx(float(heard[name]), abs=1e-3) for name in place}
    assert parity.moved.mean > 0.01


def test_an_adapter_that_was_trained_on_4_bits_is_held_against_the_base_that_it_is_served_on(
    make_job: Make, tmp_path: Path
) -> None:
    job = learn(make_job(quantization="nf4", lora=LoraPlan(rank=4, alpha=7)))
    parity = export(request_of(job, "peft", tmp_path / "peft"), job.key)
    assert parity.holds and parity.base.mean < FLOOR_MEAN, "what quantisation costs is not the yardstick"


def test_whole_weights_have_no_adapter_to_export(make_job: Make, tmp_path: Path) -> None:
    job = learn(make_job(lora=None))
    with pytest.raises(OutcropError, match="--format merged"):
        export(request_of(job, "peft", tmp_path / "peft"), job.key)
    assert not list(tmp_path.glob("*peft*"))


@pytest.mark.parametrize("form", ["peft", "merged"])
def test_what_does_not_answer_as_it_was_trained_is_removed(adapter: Any, tmp_path: Path, form: str) -> None:
    """The weights are others than those that the probes were made with."""
    folder = ModelFolder(adapter.out, adapter.plan.job_id, adapter.key)
    config = json.loads(folder.read("adapter_config.json"))
    folder.write("adapter_config.json", json.dumps(config | {"lora_alpha": 14}).encode())
    with pytest.raises(OutcropError, match=r"What was exported does not answer .* It was removed"):
        export(request_of(adapter, form, tmp_path / "out"), adapter.key)
    assert not list(tmp_path.glob("*out*"))


def test_a_checkpoint_that_was_changed_since_is_named(adapter: Any, tmp_path: Path) -> None:
    folder = ModelFolder(adapter.out, adapter.plan.job_id, adapter.key)
    probes = Probes.from_json(folder.read(PROBES_FILE))

    def elsewhere(row: Probe) -> Probe:
        return replace(row, base=tuple({name: chance - 1 for name, chance in place.items()} for place in row.base))

    folder.write(PROBES_FILE, Probes(rows=tuple(map(elsewhere, probes.rows))).to_json())
    with pytest.raises(OutcropError, match="another base model than the training had"):
        export(request_of(adapter, "peft", tmp_path / "out"), adapter.key)


def test_the_child_answers_in_json_and_never_says_its_key(adapter: Any, tmp_path: Path) -> None:
    asked, out = request_of(adapter, "peft", tmp_path / "out"), io.StringIO()
    key = b64encode(adapter.key).decode()
    assert main([json.dumps(asdict(asked))], io.StringIO(key), out) == 0
    assert json.loads(out.getvalue())["parity"]["own"]["mean"] < 1e-5
    wrong, out = b64encode(bytes(32)).decode(), io.StringIO()
    assert main([json.dumps(asdict(request_of(adapter, "peft", tmp_path / "more")))], io.StringIO(wrong), out) == 1
    said = json.loads(out.getvalue())["error"]
    assert "cannot be read" in said and wrong not in said


def test_a_model_from_before_there_were_probes_is_exported_and_says_that_it_was_not_examined(
    adapter: Any, tmp_path: Path
) -> None:
    (adapter.out / PROBES_FILE).unlink()
    assert export(request_of(adapter, "peft", tmp_path / "out"), adapter.key) is None
    assert "It was not examined" in (tmp_path / "out" / "README.md").read_text()
