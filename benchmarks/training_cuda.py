"""LoRA on a Llama-3.1-8B-shaped checkpoint on one CUDA card, Outcrop against TRL at its best: speed and memory.

The checkpoint is random, in bfloat16; the text is the standard library's source, every token of it learnt, in packs of
4,096 tokens. Both train the same rows from the same adapter (r = 16 on seven linear layers), as many tokens a step, in
processes of their own that take turns. TRL is run without and with gradient checkpointing: its best is the faster one
that fits. Measured: trained tokens per second after the warm-up, and the most memory of the card that is in use.

    python benchmarks/training_cuda.py [--rounds N] [--results FILE] [--peer-python PATH]
    python benchmarks/training_cuda.py --dry-run

`--dry-run` takes the same road on a CPU with a tiny model: it shows that the script works, and its numbers say nothing.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from environments import TORCH, TRL
from training_peers.checkpoint import Shape
from training_peers.material import Material, make_from_sources
from training_peers.measuring import require_equal_work
from training_peers.programs import Cell, Outcrop, Step, Trl
from training_peers.watching import Watched, watch

CELL = Cell(model="8b", mode="lora", precision="bf16")
DRY_CELL = Cell(model="tiny", mode="lora", precision="fp32")
OUTCROP = "outcrop"
# Forward and backward through frozen weights: two products of 2 N operations each for every token.
FLOP_A_PARAMETER_AND_TOKEN = 4
MEGABYTE = 2**20
SAMPLE_EVERY_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is trained. `checkpointing`: whether TRL is tried with gradient checkpointing as well."""

    shape: Shape
    pack_tokens: int
    packs: int
    rows: int
    warm_up: int
    square: int  # the side of the matrices that show the ceiling
    checkpointing: bool


REAL = Size(
    shape=Shape(
        hidden=4096,
        intermediate=14336,
        layers=32,
        vocabulary=128_256,
        head=128,
        key_value_heads=8,
        tied=False,
        rope_theta=500_000.0,
        context=8192,
        dtype="bfloat16",
    ),
    pack_tokens=4096,
    packs=4,
    rows=160,
    warm_up=5,
    square=8192,
    checkpointing=True,
)
DRY = Size(
    shape=Shape(
        hidden=64, intermediate=128, layers=2, vocabulary=512, head=16, key_value_heads=2, tied=False, dtype="float32"
    ),
    pack_tokens=128,
    packs=2,
    rows=12,
    warm_up=1,
    square=256,
    checkpointing=False,
)


@dataclass(slots=True)
class Seen:
    """What the runs of one program showed, a number a run."""

    trained_per_s: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        """The middle of each."""
        return {
            "trained_tokens_per_s": round(statistics.median(self.trained_per_s), 1),
            "peak_mb": round(statistics.median(self.peak_mb)),
        }


def main() -> None:
    options = arguments()
    if not options.dry_run and not torch.cuda.is_available():
        raise SystemExit("no CUDA card is at hand; hint: --dry-run takes the same road on a CPU, with a tiny model")
    size, device = (DRY, "cpu") if options.dry_run else (REAL, "cuda")
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as scratch:
        say("writing the checkpoint and the rows")
        material = make_from_sources(Path(scratch) / "material", size.shape, size.rows, size.pack_tokens)
        ceiling = matrix_ceiling(device, size)
        seen = compare(material, size, programs(material, size, device, options.peer_python), options.rounds, scratch)
    result = summary(seen, size, ceiling)
    if options.results:
        options.results.write_text(json.dumps({**about_this_run(device), **result}, indent=1) + "\n")
    print(json.dumps(result))


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--dry-run", action="store_true", help="on a CPU, with a tiny model: the numbers say nothing")
    asked.add_argument("--rounds", type=int, default=3, help="how often each program runs")
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    asked.add_argument("--peer-python", type=Path, help="an interpreter that has TRL; none: an environment is made")
    return asked.parse_args()


def programs(material: Material, size: Size, device: str, python: Path | None) -> list[Outcrop | Trl]:
    """Steps of as many tokens for all: a row of Outcrop's step is a part of a pack of TRL's."""
    a_row = material.tokens / len(material.rows)
    rows = max(1, round(size.packs * size.pack_tokens / a_row))
    trl = {
        "packed": True,
        "packs_per_step": size.packs,
        "pack_tokens": size.pack_tokens,
        "weights": size.shape.dtype,
        "device": device,
        "python": python,
    }
    return [
        Outcrop(OUTCROP, passes=1, examples_per_step=rows, objective="continued_pre_training"),
        Trl("trl", **trl),
        *([Trl("trl-checkpointing", checkpointing=True, **trl)] if size.checkpointing else []),
    ]


def compare(
    material: Material, size: Size, contenders: list[Outcrop | Trl], rounds: int, scratch: str
) -> dict[str, Seen]:
    """Rounds in turns. A peer that fails, for want of memory say, is left out from then on, and it is said."""
    seen = {program.name: Seen() for program in contenders}
    cell = CELL if size is REAL else DRY_CELL
    for number in range(rounds):
        for program in [program for program in contenders if program.name in seen]:
            try:
                watched, peak_mb = run(program, cell, material, Path(scratch))
            except SystemExit as failure:
                if program.name == OUTCROP:
                    raise
                say(f"{program.name} is left out: {failure}")
                del seen[program.name]
                continue
            steps = program.steps(watched, material)
            require_equal_work(program.name, steps, material, program.passes)
            seen[program.name].trained_per_s.append(trained_per_s(watched, steps, size.warm_up))
            seen[program.name].peak_mb.append(peak_mb)
        say(f"round {number + 1} of {rounds}: { ({name: each.medians() for name, each in seen.items()}) }")
    return seen


def run(program: Outcrop | Trl, cell: Cell, material: Material, scratch: Path) -> tuple[Watched, float]:
    """The program's events, and the most memory that it held: of the card, or of the machine where there is none."""
    command = program.command(cell, material, scratch / program.name)
    if not torch.cuda.is_available():
        watched = watch(command, None)
        return watched, watched.peak_mb
    with card_memory() as peak:
        watched = watch(command, None)
    return watched, peak[0]


@contextmanager
def card_memory() -> Iterator[list[float]]:
    """A list whose one number becomes the most memory of the card in use, in MB, beyond what was in use before."""
    before, done = memory_used_mb(), threading.Event()
    peak = [0.0]

    def look() -> None:
        while not done.wait(SAMPLE_EVERY_S):
            peak[0] = max(peak[0], memory_used_mb() - before)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peak
    finally:
        done.set()
        looking.join()


def memory_used_mb() -> float:
    free, total = torch.cuda.mem_get_info()
    return (total - free) / MEGABYTE


def trained_per_s(watched: Watched, steps: list[Step], warm_up: int) -> float:
    before, after = watched.steps[warm_up - 1], watched.steps[-1]
    return sum(step.trained for step in steps[warm_up:]) / (after.seconds - before.seconds)


def matrix_ceiling(device: str, size: Size) -> float:
    """Operations per second of a big square product in the weights' type."""
    dtype = getattr(torch, size.shape.dtype)
    first, second = (torch.randn(size.square, size.square, device=device, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        wait_for(device)
        began = time.perf_counter()
        for _ in range(10):
            first @ second
        wait_for(device)
        best = max(best, 10 * 2 * size.square**3 / (time.perf_counter() - began))
    return best


def wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def summary(seen: dict[str, Seen], size: Size, ceiling: float) -> dict[str, Any]:
    """Medians, and Outcrop against the faster TRL."""
    medians = {name: each.medians() for name, each in seen.items()}
    ours, peers = medians[OUTCROP], [each for name, each in medians.items() if name != OUTCROP]
    best = max(peers, key=lambda each: each["trained_tokens_per_s"], default=None)
    parameters = sum(torch.Size(each).numel() for file in size.shape.files() for each in file.values())
    needed = FLOP_A_PARAMETER_AND_TOKEN * parameters * ours["trained_tokens_per_s"]
    return {
        "trained_tokens_per_s": ours["trained_tokens_per_s"],
        "of_ceiling_4n": round(needed / ceiling, 3),
        "vs_trl_best": round(ours["trained_tokens_per_s"] / best["trained_tokens_per_s"], 2) if best else None,
        "memory_vs_trl_best": round(ours["peak_mb"] / best["peak_mb"], 2) if best else None,
        "medians": medians,
        "parameters": parameters,
    }


def about_this_run(device: str) -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/training_cuda.py", *sys.argv[1:]]),
        "machine": torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()}: a dry run",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "peer": [TORCH, *TRL.packages],
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
