"""How fast and lean Outcrop trains, against TRL and LLaMA-Factory: the same work, one core, one run.

Every program trains the same rows (source -> docstring pairs of the standard library) on the same randomly initialised
Llama and adapter, with the same optimizer, rate, examples per step and precision, as a process of its own on one core,
in one thread. The programs of a cell take turns, in rounds, so that a busy moment of the machine meets all. Outcrop is
the child process that a job starts; each peer has an environment of its own, which this script makes once and keeps
(OUTCROP_BENCH_CACHE, or ~/.cache/outcrop-bench). Packing peers make one step of one pack, whose length is chosen so
that it holds as many examples as a step of the others on average. That all trained every row and every answer token is
checked; in float32, that Outcrop's and padded TRL's first losses agree, and, in runs with a learning rate of 0, that
all programs find the same mean loss, however they pack.

    python benchmarks/training.py [--quick] [--rounds N] [--cells m4_lora_fp32,...] [--results FILE]

Measured: real (not padding) tokens per second of processor time after the warm-up, the process's peak memory, and the
time from its start to the end of its first step. Linux only.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from environments import LLAMA_FACTORY, TRL, python_of
from training_peers import ceiling
from training_peers.checkpoint import LORA, Shape
from training_peers.material import Material, make
from training_peers.measuring import (
    Measured,
    measured,
    report,
    require_equal_loss,
    require_equal_maths,
    require_equal_work,
)
from training_peers.programs import Cell, LlamaFactory, Outcrop, Program, Trl, pack_tokens
from training_peers.watching import Command, watch

QUICK_ROUNDS, FULL_ROUNDS = 3, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model under measure. `warm_up`: steps before the rates count; `passes`: Outcrop's over the rows."""

    shape: Shape
    rows: int
    warm_up: int
    passes: int


MODELS = {
    "m4": Model(shape=Shape(hidden=256, intermediate=688, layers=4, vocabulary=4096), rows=96, warm_up=2, passes=4),
    "m60": Model(shape=Shape(hidden=640, intermediate=1728, layers=11, vocabulary=8192), rows=32, warm_up=1, passes=1),
}
CELLS = [
    Cell(model=model, mode=mode, precision=precision)
    for model in MODELS
    for mode in ("lora", "full")
    for precision in ("fp32", "bf16")
]

OUTCROP, PLAIN, TRL_DEFAULT, TRL_BEST, TRL_LEAN, FACTORY = (
    "outcrop",
    "outcrop-plain-torch",
    "trl-default",
    "trl-best",
    "trl-best-bf16-weights",
    "llamafactory",
)


def main() -> None:
    options = arguments()
    for environment in (TRL, LLAMA_FACTORY):
        python_of(environment)
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as scratch:
        bench = Bench(Path(scratch), quick=options.quick)
        for cell in options.cells:
            bench.require_equal_maths(cell)
        for number in range(options.rounds):
            for cell in bench.cells_of(options.cells, number):
                say(f"round {number + 1} of {options.rounds}, {report(cell.name, bench.run(cell, number))}")
        result = bench.summary()
    if options.results:
        options.results.write_text(json.dumps({**about_this_run(), **result, "runs": bench.as_json()}, indent=1) + "\n")
    print(json.dumps(result["ratios"]))


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument(
        "--quick", action="store_true", help="three rounds; what no bar is for once or never; 40 minutes"
    )
    asked.add_argument("--rounds", type=int, help="how often every program of a cell runs")
    asked.add_argument("--cells", help="only these, of " + ",".join(cell.name for cell in CELLS))
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    options = asked.parse_args()
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    options.cells = chosen(options.cells) if options.cells else CELLS
    return options


def chosen(names: str) -> list[Cell]:
    by_name = {cell.name: cell for cell in CELLS}
    unknown = set(names.split(",")) - by_name.keys()
    if unknown:
        raise SystemExit(f"no such cell: {', '.join(sorted(unknown))}; hint: {', '.join(by_name)}")
    return [by_name[name] for name in names.split(",")]


class Bench:
    """The runs so far, by cell and program."""

    def __init__(self, scratch: Path, quick: bool) -> None:
        self._scratch, self._quick = scratch, quick
        self._materials: dict[str, Material] = {}
        self._runs: dict[Cell, dict[str, list[Measured]]] = {}
        self._ceilings: dict[Cell, list[float]] = {}
        self._core = max(os.sched_getaffinity(0))

    def cells_of(self, cells: Sequence[Cell], number: int) -> list[Cell]:
        """Those that round `number` measures: in a quick run, a cell that no bar is for is in the first only."""
        return [cell for cell in cells if number == 0 or not self._quick or (cell.model, cell.mode) != ("m4", "full")]

    def run(self, cell: Cell, number: int) -> dict[str, Measured]:
        """Every program of round `number` once, and the machine's ceiling beside them."""
        found: dict[str, Measured] = {}
        for program in self._programs(cell, number):
            found[program.name] = self._once(cell, program)
            self._runs.setdefault(cell, {}).setdefault(program.name, []).append(found[program.name])
        if not cell.bf16 and TRL_DEFAULT in found:
            require_equal_loss(found[OUTCROP], found[TRL_DEFAULT])
        self._ceilings.setdefault(cell, []).append(self._ceiling(cell))
        return found

    def require_equal_maths(self, cell: Cell) -> None:
        """That the programs of a float32 cell agree on what the loss is. Nothing learns in these runs."""
        if cell.model != "m4" or cell.bf16 or (self._quick and cell.mode == "full"):
            return
        still = [replace(program, learning_rate=0.0) for program in self._programs(cell, 0) if program.name != PLAIN]
        found = {program.name: self._once(cell, program) for program in still}
        say(f"without learning, {report(cell.name, found)}")
        require_equal_maths(found)

    def summary(self) -> dict[str, Any]:
        """Ratios of medians, by model and what is trained in which type; medians beside them."""
        ratios: dict[str, Any] = {}
        medians: dict[str, Any] = {}
        for cell, runs in self._runs.items():
            by_name = {name: median(each) for name, each in runs.items()}
            ceiling_ = statistics.median(self._ceilings[cell]) / self._least_flop(cell)
            ratios.setdefault(cell.model, {})[f"{cell.mode}_{cell.precision}"] = ratios_of(by_name, ceiling_)
            medians[cell.name] = {**by_name, "ceiling_tokens_per_s": round(ceiling_)}
        return {"ratios": ratios, "medians": medians, "work": self._work()}

    def as_json(self) -> dict[str, Any]:
        """Every run."""
        return {
            cell.name: {name: [run.as_json() for run in each] for name, each in runs.items()}
            for cell, runs in self._runs.items()
        }

    def _once(self, cell: Cell, program: Program) -> Measured:
        material = self._material(cell.model)
        watched = watch(program.command(cell, material, self._scratch / cell.name), self._core)
        steps = program.steps(watched, material)
        require_equal_work(program.name, steps, material, program.passes)
        return measured(watched, steps, MODELS[cell.model].warm_up, program.passes)

    def _programs(self, cell: Cell, number: int) -> list[Outcrop | Trl | LlamaFactory]:
        """Whole weights with TRL's defaults have no bar: in a quick run that is measured in the first round only."""
        passes = MODELS[cell.model].passes
        programs: list[Outcrop | Trl | LlamaFactory] = [
            Outcrop(OUTCROP, passes),
            Trl(TRL_BEST, packed=True),
            LlamaFactory(FACTORY),
        ]
        if cell.mode == "lora" and cell.bf16:  # frozen weights in bfloat16 are faster on one model, leaner on the other
            programs.append(Trl(TRL_LEAN, packed=True, weights="bfloat16"))
        if cell.mode == "lora" or number == 0 or not self._quick:
            programs.append(Trl(TRL_DEFAULT, packed=False))
        if (cell.model, cell.mode) == ("m4", "lora") or not self._quick:
            programs.append(Outcrop(PLAIN, passes, kernels=False))
        return programs

    def _material(self, model: str) -> Material:
        if model not in self._materials:
            self._materials[model] = make(self._scratch / model, MODELS[model].shape, MODELS[model].rows)
        return self._materials[model]

    def _ceiling(self, cell: Cell) -> float:
        """FLOP per second of the best matrix product."""
        log = self._scratch / "ceiling.log"
        command = Command(words=[sys.executable, ceiling.__file__], variables={}, log=log)
        (said,) = watch(command, self._core).moments
        return float(said.event["bfloat16" if cell.bf16 else "float32"])

    def _least_flop(self, cell: Cell) -> float:
        material = self._material(cell.model)
        shape = material.shape
        sizes = ceiling.Sizes(
            hidden=shape.hidden,
            intermediate=shape.intermediate,
            layers=shape.layers,
            vocabulary=shape.vocabulary,
            rank=LORA.rank if cell.mode == "lora" else None,
        )
        return ceiling.least_flop(
            sizes, [len(row.input_ids) for row in material.rows], [row.learnt for row in material.rows]
        )

    def _work(self) -> dict[str, Any]:
        return {
            name: {
                "rows": len(material.rows),
                "tokens": material.tokens,
                "trained_tokens": material.learnt,
                "pack_tokens": pack_tokens(material),
            }
            for name, material in self._materials.items()
        }


def median(runs: Sequence[Measured]) -> dict[str, float]:
    names: dict[str, Callable[[Measured], float]] = {
        "tokens_per_cpu_s": lambda run: run.tokens_per_cpu_s,
        "peak_mb": lambda run: run.peak_mb,
        "first_step_s": lambda run: run.first_step_s,
        "first_step_cpu_s": lambda run: run.first_step_cpu_s,
    }
    return {name: round(statistics.median(value(run) for run in runs), 2) for name, value in names.items()}


def ratios_of(medians: dict[str, dict[str, float]], ceiling_: float) -> dict[str, float | None]:
    """Outcrop against the others: above 1 is faster, and below 1 is leaner and sooner.

    Where TRL's best was run in two ways, each number is held against the better of them.
    """
    ours, default, plain = medians[OUTCROP], medians.get(TRL_DEFAULT), medians.get(PLAIN)
    trl = [medians[name] for name in (TRL_BEST, TRL_LEAN) if name in medians]
    speed = ours["tokens_per_cpu_s"]
    trl_speed = max(each["tokens_per_cpu_s"] for each in trl)
    return {
        "vs_best_peer": round(speed / max(trl_speed, medians[FACTORY]["tokens_per_cpu_s"]), 2),
        "vs_trl_best": round(speed / trl_speed, 2),
        "vs_trl_default": round(speed / default["tokens_per_cpu_s"], 2) if default else None,
        "memory_vs_trl_best": round(ours["peak_mb"] / min(each["peak_mb"] for each in trl), 2),
        "first_step_vs_trl": round(ours["first_step_s"] / min(each["first_step_s"] for each in trl), 2),
        "of_ceiling": round(speed / ceiling_, 2),
        "kernels_gain": round(speed / plain["tokens_per_cpu_s"], 2) if plain else None,
    }


def about_this_run() -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/training.py", *sys.argv[1:]]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "processor": torch.backends.cpu.get_cpu_capability(),
        "load_average_after": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "peers": [*TRL.packages, *LLAMA_FACTORY.packages],
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
