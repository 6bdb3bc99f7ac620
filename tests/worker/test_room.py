"""A job whose model will find no room where it is handed over is told so before it trains."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from outcrop.domain.errors import JobFailure
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.domain.states import JobStatus
from outcrop.families.catalogue import PEBBLE
from outcrop.worker import room

pytestmark = [pytest.mark.xdist_group("worker"), pytest.mark.timeout(120)]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


DOCKERS = Usage(total=64 * 2**20, used=0, free=64 * 2**20)
LLAMA_8B = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}


@pytest.fixture
def dockers_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system says that memory-backed storage is as large as a container has it that was told nothing."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DOCKERS)


def plan_on(folder: Path, **given: Any) -> TrainingPlan:
    return TrainingPlan(
        job_id="j",
        objective="fine_tuning",
        base_checkpoint=str(folder),
        training_rows="",
        epochs=1,
        batch_size=1,
        learning_rate=1e-4,
        **given,
    )


@pytest.fixture
def large(tmp_path: Path) -> TrainingPlan:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    return plan_on(tmp_path)


@pytest.mark.usefixtures("dockers_default")
def test_an_adapter_of_an_8b_does_not_fit_into_dockers_default_which_is_said_with_the_mend(
    large: TrainingPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LIMIT_S", 0.0)
    with pytest.raises(JobFailure, match=r"67,108,864 bytes free, .* needs 167,772,160 .*docker run --shm-size"):
        room.require_room(tmp_path / "run", large, lambda: None)
    room.require_room(tmp_path / "run", replace(large, lora=LoraPlan(rank=4)), lambda: None)
    room.require_room(tmp_path / "run", replace(large, base_checkpoint="/nowhere"), lambda: None)


def test_room_that_others_have_for_a_moment_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[None] = []

    def usage(_: object) -> Usage:
        return DOCKERS._replace(free=DOCKERS.free if len(checks) > 1 else 0)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    room.await_room(tmp_path / "run", 1, lambda: checks.append(None))
    assert len(checks) == 2


def test_what_the_model_takes_is_known_from_its_plan_and_its_parent(trained: Any, tmp_path: Path) -> None:
    shape = ModelShape.from_config(json.loads((PEBBLE / "config.json").read_text()))
    made = trained.ground.model_folder(trained.job("plain").id) / "adapter_model.safetensors"
    own = room.least_bytes(shape, plan_on(PEBBLE))
    assert own < made.stat().st_size < 1.1 * own
    small = plan_on(PEBBLE, lora=LoraPlan(rank=1), parent=str(made.parent))
    assert room.least_bytes(shape, small) == made.stat().st_size
    weights = (PEBBLE / "model.safetensors").stat().st_size
    assert room.least_bytes(shape, plan_on(PEBBLE, lora=None)) == pytest.approx(
        weights * room.STORED_BYTES / shape.stored_bytes, rel=0.05
    )


def test_a_job_whose_model_will_find_no_room_does_not_train(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LIMIT_S", 0.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DOCKERS._replace(free=1000))
    job = scene.work("crowded")
    assert job.status is JobStatus.FAILED
    assert "cannot be handed to its serving engine" in (job.failure_message or "")
    assert not any("step_wise" in key for key in scene.listed() if job.id in key)
