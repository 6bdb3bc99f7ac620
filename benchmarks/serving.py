"""How fast the engine answers, against what a user could pick instead: the same work, one machine, one run.

All servers hold the same randomly initialised Llama of 56 M parameters in float32 and the same eight adapters (r = 16);
each client asks with 64 tokens and is told 128, greedily. The cells take turns in rounds, so that a busy moment of the
machine meets all. Outcrop is the engine's process as the worker starts it, asked over its socket, streaming; vLLM's CPU
build (an environment of its own, made once and kept: OUTCROP_BENCH_CACHE) over its port, streaming; transformers'
generate (a static batch) and PEFT's mixed batch in process. That Outcrop's answers are theirs, character for character
(every token has a text of its own), is checked in the first round.

    python benchmarks/serving.py [--quick] [--rounds N] [--threads N] [--without vllm] [--results FILE]

Measured: answered tokens per second, reading the prompts included. `int8_vs_fp32_one` and `through_bedrock_vs_engine`
are null: they are not measured here yet.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from environments import TRL, VLLM
from serving_peers import servers
from serving_peers.material import ADAPTERS, ANSWER_TOKENS, CLIENTS, prompt, write_material
from serving_peers.servers import BASE, Server

QUICK_ROUNDS, FULL_ROUNDS = 3, 9
OUTCROP, LIBRARY, VLLM_NAME = "outcrop", "library", "vllm"
CELLS = {
    "one": [BASE],
    "base16": [BASE] * CLIENTS,
    "adapters8": [f"a{number % ADAPTERS}" for number in range(CLIENTS)],
}

Rates = dict[str, dict[str, list[float]]]


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder, ExitStack() as ending:
        held = start(Path(folder), options, ending)
        rates = measure(held, options.rounds)
    medians = {cell: {name: statistics.median(each) for name, each in found.items()} for cell, found in rates.items()}
    ratios = ratios_of(medians)
    if options.results:
        told = {**about_this_run(options), "ratios": ratios, "tokens_per_s": medians, "rounds": rates}
        options.results.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(ratios))


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--quick", action="store_true", help="three rounds; ten minutes once the environments are made")
    asked.add_argument("--rounds", type=int, help="how often every cell runs")
    asked.add_argument("--threads", type=int, default=1, help="threads of each server")
    asked.add_argument("--without", choices=[VLLM_NAME], help="leave this peer out; its ratio is null")
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    options = asked.parse_args()
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    return options


def start(folder: Path, options: argparse.Namespace, ending: ExitStack) -> dict[str, Server]:
    """Every server, ready and with the adapters."""
    model = write_material(folder)
    adapters = [folder / f"a{number}" for number in range(ADAPTERS)]
    asked = {OUTCROP: servers.outcrop(model, folder, options.threads)}
    ending.callback(asked[OUTCROP].end)
    if options.without != VLLM_NAME:
        asked[VLLM_NAME] = servers.vllm(model, folder, options.threads)
        ending.callback(asked[VLLM_NAME].end)
    for server in asked.values():
        server.wait()
        server.load(adapters)
    library = servers.LibraryServer(model, adapters, folder, options.threads)
    ending.callback(library.end)
    return {**asked, LIBRARY: library}


def measure(held: dict[str, Server], rounds: int) -> Rates:
    """Tokens per second by cell and server, one of each a round; a first round warms and is compared."""
    rates: Rates = {cell: {name: [] for name in held} for cell in CELLS}
    for number in range(rounds + 1):
        for cell, models in CELLS.items():
            said = {}
            for name, server in held.items():
                prompts = [prompt(at) for at in range(len(models))]
                seconds, said[name] = server.answer(prompts, models)
                if number:
                    rates[cell][name].append(len(models) * ANSWER_TOKENS / seconds)
            if not number:
                require_equal(cell, said[OUTCROP], said[LIBRARY])
            else:
                told = ", ".join(f"{name} {each[-1]:.0f}/s" for name, each in rates[cell].items())
                say(f"round {number} of {rounds}, {cell}: {told}")
    return rates


def require_equal(cell: str, ours: Sequence[str], theirs: Sequence[str]) -> None:
    """Ends this program where an answer differs."""
    for at, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if mine != other:
            same = next((n for n, (a, b) in enumerate(zip(mine.split(), other.split(), strict=False)) if a != b), 0)
            raise SystemExit(f"{cell}: answer {at} differs from word {same} on")
    say(f"{cell}: {len(ours)} answers are equal")


def ratios_of(medians: dict[str, dict[str, float]]) -> dict[str, float | None]:
    """Outcrop against the others; above 1 is faster."""

    def ratio(cell: str, name: str) -> float | None:
        other = medians[cell].get(name)
        return round(medians[cell][OUTCROP] / other, 2) if other else None

    return {
        "adapters8_vs_vllm": ratio("adapters8", VLLM_NAME),
        "adapters8_vs_peft": ratio("adapters8", LIBRARY),
        "adapters8_vs_own_base": round(medians["adapters8"][OUTCROP] / medians["base16"][OUTCROP], 2),
        "base16_vs_generate": ratio("base16", LIBRARY),
        "one_vs_generate": ratio("one", LIBRARY),
        "int8_vs_fp32_one": None,
        "through_bedrock_vs_engine": None,
    }


def about_this_run(options: argparse.Namespace) -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/serving.py", *sys.argv[1:]]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "cores_given": sorted(os.sched_getaffinity(0)),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "load_average_after": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "peers": [*TRL.packages, *([] if options.without else VLLM.packages)],
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
