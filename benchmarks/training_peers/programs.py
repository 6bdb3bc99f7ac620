"""The programs under measure: how each is started on a cell's material, and what its steps say. Knows no clock."""

import base64
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from environments import LLAMA_FACTORY, TRL, python_of

from outcrop.domain.plan import Objective, TrainingPlan
from outcrop.sealed import SealedWriter, new_key
from outcrop.text import write_rows
from outcrop.training.order import epoch_order
from training_peers.checkpoint import LORA, SEED
from training_peers.material import Material
from training_peers.watching import Command, Watched

HERE = Path(__file__).parent
LEARNING_RATE = 2e-4
# TRL's default `per_device_train_batch_size`.
EXAMPLES_PER_STEP = 8
# Packs are cut at a multiple of this.
PACK_GRAIN = 64
# Plan, result, and the first attempt's checkpoints, as the worker names them.
CHILD_ARGUMENTS = ("plan.json", "out", "checkpoints/1")
_numbers = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is measured: a model, what of it is trained, and the type that its products are computed in."""

    model: str
    mode: str  # lora, full
    precision: str  # fp32, bf16

    @property
    def name(self) -> str:
        """As it is asked for on the command line."""
        return f"{self.model}_{self.mode}_{self.precision}"

    @property
    def bf16(self) -> bool:
        """Whether products are computed in bfloat16."""
        return self.precision == "bf16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One optimizer step. `real` counts the tokens of its rows; `computed` counts padding as well, where it is told."""

    loss: float
    real: int
    trained: int
    examples: int
    computed: int


class Program(Protocol):
    """One trainer, with its settings. `passes`: how often it goes over the rows, so that it runs long enough."""

    name: str
    passes: int

    def command(self, cell: Cell, material: Material, scratch: Path) -> Command:
        """How it is started; what it writes goes under `scratch`."""

    def steps(self, watched: Watched, material: Material) -> list[Step]:
        """What its events say."""


@dataclass(frozen=True)
class Outcrop:
    """The child process that a job starts, on sealed rows, with the key on standard input."""

    name: str
    passes: int
    kernels: bool = True
    learning_rate: float = LEARNING_RATE
    examples_per_step: int = EXAMPLES_PER_STEP
    objective: Objective = "fine_tuning"

    def command(self, cell: Cell, material: Material, scratch: Path) -> Command:
        """`python -m outcrop.training PLAN.json OUT`."""
        folder, key = _folder(scratch, self.name), new_key()
        plan = self._plan(cell, material, folder)
        with SealedWriter(Path(plan.training_rows), key, f"job/{plan.job_id}/train.rows".encode()) as sealed:
            write_rows((row.rendered() for row in material.rows), sealed)
        (folder / "plan.json").write_text(plan.to_json())
        return Command(
            words=[sys.executable, "-m", "outcrop.training", *(str(folder / name) for name in CHILD_ARGUMENTS)],
            stdin=base64.b64encode(key) + b"\n",
            variables={} if self.kernels else {"OUTCROP_KERNELS": "off"},
            log=folder / "log",
        )

    def steps(self, watched: Watched, material: Material) -> list[Step]:
        """Its events count trained tokens; the rows of a step, and so their tokens, follow from the plan's seed."""
        batches = self._batches(material)
        return [
            Step(
                loss=moment.event["loss"],
                real=real,
                trained=moment.event["tokens"],
                examples=examples,
                computed=real,
            )
            for moment, (examples, real) in zip(watched.steps, batches, strict=True)
        ]

    def _plan(self, cell: Cell, material: Material, folder: Path) -> TrainingPlan:
        return TrainingPlan(
            job_id="bench0000001",
            objective=self.objective,
            base_checkpoint=str(material.model),
            training_rows=str(folder / "train.rows"),
            epochs=self.passes,
            batch_size=self.examples_per_step,
            learning_rate=self.learning_rate,
            schedule="constant",
            lora=LORA if cell.mode == "lora" else None,
            seed=SEED,
            threads=1,
            precision="bfloat16" if cell.bf16 else "float32",
        )

    def _batches(self, material: Material) -> Iterator[tuple[int, int]]:
        rows = material.rows
        for epoch in range(self.passes):
            order = epoch_order(len(rows), SEED, epoch).tolist()
            for start in range(0, len(order), self.examples_per_step):
                batch = order[start : start + self.examples_per_step]
                yield len(batch), sum(len(rows[at].input_ids) for at in batch)


@dataclass(frozen=True)
class Trl:
    """TRL: as it is by default, or packed and, but for `checkpointing`, without gradient checkpointing.

    `python`: another environment's interpreter that has TRL; None: the one made for it.
    """

    name: str
    packed: bool
    passes: int = 1
    learning_rate: float = LEARNING_RATE
    packs_per_step: int = 1
    pack_tokens: int | None = None
    checkpointing: bool = False
    weights: str = "float32"
    device: str = "cpu"
    python: Path | None = None

    def command(self, cell: Cell, material: Material, scratch: Path) -> Command:
        """trl_program.py in TRL's environment."""
        options = {
            **_options(self, cell, material, scratch),
            "packed": self.packed,
            "per_step": self.packs_per_step if self.packed else EXAMPLES_PER_STEP,
            "checkpointing": self.checkpointing or not self.packed,
            "weights": self.weights,
            "device": self.device,
        }
        return _peer(self.python or python_of(TRL), HERE / "trl_program.py", options)

    def steps(self, watched: Watched, material: Material) -> list[Step]:
        """As counted on its batches."""
        return _told(watched)


@dataclass(frozen=True)
class LlamaFactory:
    """LLaMA-Factory with neat packing and without gradient checkpointing."""

    name: str
    passes: int = 1
    learning_rate: float = LEARNING_RATE
    pack_tokens: int | None = None

    def command(self, cell: Cell, material: Material, scratch: Path) -> Command:
        """llamafactory_program.py in its environment."""
        return _peer(
            python_of(LLAMA_FACTORY), HERE / "llamafactory_program.py", _options(self, cell, material, scratch)
        )

    def steps(self, watched: Watched, material: Material) -> list[Step]:
        """As counted on its batches."""
        return _told(watched)


def pack_tokens(material: Material) -> int:
    """How long a pack is, so that one holds as many examples as a step of the other programs, on average.

    Never shorter than the longest row.
    """
    mean = material.tokens / len(material.rows) * EXAMPLES_PER_STEP
    longest = max(len(row.input_ids) for row in material.rows)
    return max(round(mean / PACK_GRAIN), -(-longest // PACK_GRAIN)) * PACK_GRAIN


def _options(program: Trl | LlamaFactory, cell: Cell, material: Material, scratch: Path) -> dict[str, Any]:
    folder = _folder(scratch, program.name)
    return {
        "model": str(material.model),
        "adapter": str(material.adapter) if cell.mode == "lora" else None,
        "rows": str(material.rows_file),
        "out": str(folder / "out"),
        "bf16": cell.bf16,
        "pack_tokens": program.pack_tokens or pack_tokens(material),
        "epochs": program.passes,
        "learning_rate": program.learning_rate,
    }


def _peer(python: Path, program: Path, options: dict[str, Any]) -> Command:
    folder = Path(options["out"]).parent
    (folder / "options.json").write_text(json.dumps(options))
    return Command(
        words=[str(python), str(program), str(folder / "options.json")],
        variables={"HF_HOME": str(folder / "huggingface")},
        log=folder / "log",
    )


def _told(watched: Watched) -> list[Step]:
    names = [field.name for field in fields(Step)]
    return [Step(**{name: moment.event[name] for name in names}) for moment in watched.steps]


def _folder(scratch: Path, name: str) -> Path:
    folder = scratch / f"{name}-{next(_numbers)}"
    folder.mkdir(parents=True)
    return folder


def mean_examples(steps: Iterable[Step]) -> float:
    """Examples of a step, on average."""
    found = [step.examples for step in steps]
    return sum(found) / len(found)
