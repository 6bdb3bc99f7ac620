"""Estimated against measured peak memory and seconds, over ten plans from 4 to 60 million parameters.

    python benchmarks/estimate.py [--only 0,3,9] [--out FILE]

Each plan is run as a worker runs it: `python -m outcrop.training`, sealed rows, the key on standard input. The child
reports its own peak; tokens and steps are counted from its events.
"""

import argparse
import base64
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from outcrop.domain.effort import Data
from outcrop.domain.estimate import Estimate, Question, estimate
from outcrop.domain.events import Event, Finished, Started, Step, from_line
from outcrop.domain.machine import Machine
from outcrop.domain.model_shape import ModelShape
from outcrop.domain.plan import LoraPlan, TrainingPlan
from outcrop.domain.row_statistics import RowStatistics
from outcrop.modeling.config import LlamaConfig
from outcrop.modeling.llama import Llama
from outcrop.sealed import SealedWriter, new_key
from outcrop.text import Rendered, write_rows
from outcrop.worker.machine import measure

PROMPT_SHARE = 0.4  # of a row: what is read and not learnt
NEVER = 1_000_000  # steps: the child is given no folder for checkpoints, however slow the machine is
SHAPES = {
    "4 M": {"vocab_size": 4096, "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4},
    "18 M": {"vocab_size": 8192, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8},
    "33 M": {
        "vocab_size": 32000,
        "hidden_size": 384,
        "intermediate_size": 1024,
        "num_hidden_layers": 6,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
    },
    "60 M": {"vocab_size": 8192, "hidden_size": 640, "intermediate_size": 1728, "num_hidden_layers": 11},
}
COMMON = {
    "model_type": "llama",
    "head_dim": 64,
    "max_position_embeddings": 2048,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}


@dataclass(frozen=True)
class Case:
    """One plan of the grid. Row lengths are drawn between `shortest` and `longest`."""

    size: str
    method: str
    shortest: int
    longest: int
    rows: int
    batch_size: int
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.size} {self.method}, rows of {self.shortest} to {self.longest}, batches of {self.batch_size}"


GRID = (
    Case("4 M", "lora", 20, 90, 24, 1),
    Case("4 M", "lora", 20, 90, 128, 32),
    Case("4 M", "lora", 1200, 1900, 8, 4),
    Case("4 M", "full", 20, 90, 32, 8),
    Case("4 M", "full", 1500, 2000, 6, 2),
    Case("18 M", "lora", 100, 300, 32, 8),
    Case("33 M", "full", 300, 700, 8, 4),
    Case("60 M", "lora", 80, 200, 6, 1),
    Case("60 M", "lora", 500, 1000, 8, 4),
    Case("60 M", "full", 200, 400, 16, 8),
)


@dataclass(frozen=True)
class Outcome:
    """One case's estimate and what happened."""

    case: Case
    estimated: Estimate
    finished: Finished
    tokens: int
    trained_tokens: int

    @property
    def memory_ratio(self) -> float:
        """Estimated over measured."""
        return self.estimated.peak_bytes / self.finished.peak_bytes

    @property
    def exact(self) -> bool:
        """Whether tokens and steps were what was said."""
        said = (self.estimated.steps, self.estimated.tokens, self.estimated.trained_tokens)
        return said == (self.finished.steps, self.tokens, self.trained_tokens)

    def to_dict(self) -> dict[str, Any]:
        """A row of the result."""
        return {
            "plan": str(self.case),
            "steps": self.finished.steps,
            "tokens": self.tokens,
            "trained_tokens": self.trained_tokens,
            "exact": self.exact,
            "peak_mb_estimated": round(self.estimated.peak_bytes / 1e6),
            "peak_mb_measured": round(self.finished.peak_bytes / 1e6),
            "peak_ratio": round(self.memory_ratio, 3),
            "seconds_estimated": None if self.estimated.seconds is None else round(self.estimated.seconds, 2),
            "seconds_measured": self.finished.seconds,
        }


def run_case(case: Case, folder: Path, machine: Machine) -> Outcome:
    """Make the case's checkpoint and rows in `folder`, estimate, train in a child, compare."""
    config = {**COMMON, **SHAPES[case.size]}
    config["num_attention_heads"] = config["hidden_size"] // config["head_dim"]
    checkpoint = make_checkpoint(folder / "checkpoint", config)
    rows = make_rows(case, config["vocab_size"])
    key = new_key()
    with SealedWriter(folder / "training.rows", key, b"job/estimated001/training.rows") as sealed:
        write_rows(rows, sealed)
    plan = TrainingPlan(
        job_id="estimated001",
        objective="fine_tuning",
        base_checkpoint=str(checkpoint),
        training_rows=str(folder / "training.rows"),
        epochs=1,
        batch_size=case.batch_size,
        learning_rate=1e-4,
        lora=LoraPlan() if case.method == "lora" else None,
        checkpoint_every_steps=NEVER,
    )
    plan = replace(plan, **case.changes)
    statistics = RowStatistics.of(row.trained for row in rows)
    shape = ModelShape.from_config(config)
    said = estimate(Question(shape=shape, plan=plan, data=Data(training=statistics), machine=machine))
    events = train(plan, folder, key)
    started, finished = events[0], events[-1]
    assert isinstance(started, Started) and isinstance(finished, Finished), events[-1]
    steps = [event for event in events if isinstance(event, Step)]
    return Outcome(
        case=case,
        estimated=said,
        finished=finished,
        tokens=plan.epochs * started.tokens_per_epoch,
        trained_tokens=sum(step.tokens for step in steps),
    )


def make_checkpoint(folder: Path, config: dict[str, Any]) -> Path:
    """A randomly initialised Llama in Hugging Face's layout."""
    folder.mkdir()
    torch.manual_seed(0)
    model = Llama(LlamaConfig.from_huggingface(config))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.02)
    save_file({name: tensor.contiguous() for name, tensor in model.give().items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def make_rows(case: Case, vocabulary: int) -> list[Rendered]:
    """Rows of random tokens; each one's last part is learnt."""
    random = np.random.default_rng(0)
    rows = []
    for length in random.integers(case.shortest, case.longest + 1, case.rows).tolist():
        prompt = max(1, round(length * PROMPT_SHARE))
        rows.append(
            Rendered(random.integers(3, vocabulary, length).tolist(), [False] * prompt + [True] * (length - prompt))
        )
    return rows


def train(plan: TrainingPlan, folder: Path, key: bytes) -> list[Event]:
    """The plan in a child of its own, as the worker runs it."""
    (folder / "plan.json").write_text(plan.to_json())
    command = [sys.executable, "-m", "outcrop.training", str(folder / "plan.json"), str(folder / "out")]
    child = subprocess.run(
        command,
        input=base64.b64encode(key) + b"\n",
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": str(plan.threads)},
    )
    return [from_line(line) for line in child.stdout.decode().splitlines()]


def main(arguments: Sequence[str]) -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", help="numbers of cases, from 0, with commas between")
    options.add_argument("--out", type=Path, help="write the result as JSON")
    asked = options.parse_args(arguments)
    machine = measure(threads=1)
    chosen = range(len(GRID)) if asked.only is None else map(int, asked.only.split(","))
    found = []
    for number in chosen:
        with tempfile.TemporaryDirectory() as folder:
            outcome = run_case(GRID[number], Path(folder), machine)
        found.append(outcome.to_dict())
        print(json.dumps(found[-1]), flush=True)
    worst = max(abs(math.log(row["peak_ratio"])) for row in found)
    result = {
        "what": "estimated against measured peak memory and seconds",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python benchmarks/estimate.py",
        "machine": {"processor": platform.processor() or platform.machine(), "cpus": os.cpu_count()},
        "torch": torch.__version__,
        "multiply_gflops": {name: round(speed / 1e9, 1) for name, speed in machine.multiply_flops.items()},
        "exact": all(row["exact"] for row in found),
        "worst_peak_ratio": round(math.exp(worst), 3),
        "cases": found,
    }
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: result[name] for name in ("exact", "worst_peak_ratio")}))


if __name__ == "__main__":
    main(sys.argv[1:])
