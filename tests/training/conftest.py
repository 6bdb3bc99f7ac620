"""A tiny random checkpoint, token rows, and sealed job folders for it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from outcrop.domain.events import Event, Step, Validation
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.llama import Llama
from outcrop.sealed import SealedWriter, new_key
from outcrop.text import Rendered, write_rows
from outcrop.text.rows import TokenRows
from outcrop.training.batches import Rows

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "max_position_embeddings": 256,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("base"), CONFIG)


def write_checkpoint(folder: Path, config: dict[str, Any]) -> Path:
    torch.manual_seed(0)
    model = Llama(LlamaConfig.from_huggingface(config))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    save_file({name: tensor.contiguous() for name, tensor in model.give().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def untied_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose head is a matrix of its own."""
    return write_checkpoint(tmp_path_factory.mktemp("untied"), CONFIG | {"tie_word_embeddings": False})


@pytest.fixture
def other_checkpoint(tmp_path: Path) -> Path:
    """One of another width."""
    folder = tmp_path / "other"
    folder.mkdir()
    return write_checkpoint(folder, CONFIG | {"hidden_size": 16, "intermediate_size": 24, "head_dim": 4})


def some_rows(count: int = 12, seed: int = 0) -> list[Rendered]:
    """Questions of random length, each with an answer that depends on it and that is learnt."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        question = [1, *random.integers(3, 60, random.integers(2, 9)).tolist()]
        answer = [question[1], question[2], 2]
        rows.append(Rendered(question + answer, [False] * len(question) + [True] * len(answer)))
    return rows


def token_rows(rows: Sequence[Rendered]) -> TokenRows:
    """The rows as `read_rows` answers them."""
    return TokenRows(
        tokens=np.array([token for row in rows for token in row.ids], dtype=np.uint32),
        trained=np.array([learnt for row in rows for learnt in row.trained], dtype=np.uint8),
        offsets=np.cumsum([0, *(len(row.ids) for row in rows)], dtype=np.int64),
    )


@dataclass
class Heard:
    """Every event told, in order."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def losses(self) -> list[float]:
        return [event.loss for event in self.events if isinstance(event, Step)]

    @property
    def validations(self) -> list[Validation]:
        return [event for event in self.events if isinstance(event, Validation)]


@pytest.fixture
def new_heard() -> type[Heard]:
    """For tests of more than one run."""
    return Heard


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def make_rows() -> Callable[[Sequence[Rendered]], Rows]:
    return lambda rows: Rows(token_rows(rows))


@pytest.fixture
def make_some_rows() -> Callable[..., list[Rendered]]:
    return some_rows


@pytest.fixture
def rows() -> list[Rendered]:
    return some_rows()


@pytest.fixture
def make_plan(checkpoint: Path) -> Callable[..., TrainingPlan]:
    def make(**changes: Any) -> TrainingPlan:
        plan = {
            "job_id": "job000000001",
            "objective": "fine_tuning",
            "base_checkpoint": str(checkpoint),
            "training_rows": "",
            "epochs": 2,
            "batch_size": 4,
            "learning_rate": 1e-2,
            "lora": LoraPlan(rank=4, alpha=8),
        }
        return TrainingPlan(**(plan | changes))

    return make


@dataclass(frozen=True)
class Job:
    """A job's folder: sealed rows, its plan and its key."""

    plan: TrainingPlan
    key: bytes
    out: Path


@pytest.fixture
def make_job(tmp_path: Path, make_plan: Callable[..., TrainingPlan]) -> Callable[..., Job]:
    def make(job_id: str = "job000000001", **changes: Any) -> Job:
        key, folder = new_key(), tmp_path / job_id
        folder.mkdir()
        for name in ("train.rows", "validation.rows"):
            with SealedWriter(folder / name, key, f"job/{job_id}/{name}".encode()) as sealed:
                write_rows(changes.pop(name, some_rows()), sealed)
        plan = make_plan(
            job_id=job_id,
            training_rows=str(folder / "train.rows"),
            validation_rows=(str(folder / "validation.rows"),),
            **changes,
        )
        return Job(plan, key, tmp_path / "models" / job_id)

    return make
