"""How fast the engine answers, against what a user could pick instead: the same work, one machine, one run.

All servers hold the same randomly initialised Llama of 56 M parameters in float32 and the same eight adapters (r =
16); each client asks with 64 tokens and is told 128, greedily. The cells take turns in rounds, so that a busy moment
of the machine meets all. Outcrop is the engine's process as the worker starts it, asked over its socket, streaming;
vLLM's CPU build (an environment of its own, made once and kept: OUTCROP_BENCH_CACHE) over its port, streaming;
transformers' generate (a static batch) and PEFT's mixed batch in process; Bedrock's way a whole `outcrop serve` with
sixteen boto3 clients, against the engine alone on the same prompts; in 8 bits the engine once more, with `--weights
int8`, whose own word on the quality lost is printed. That Outcrop's answers are theirs, character for character (every
token has a text of its own), is checked in the first round; of vLLM's the equal ones are counted, for its sums differ
with what it happens to batch.

    python benchmarks/serving.py [--quick] [--only CELLS] [--rounds N] [--threads N] [--without vllm] [--results FILE]

Measured: answered tokens per second, reading the prompts included. The last line is JSON, the ratios of the medians;
what was not run is null.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from environments import TRL, VLLM
from serving_peers import servers
from serving_peers.bedrock import Bedrock
from serving_peers.material import ADAPTERS, ANSWER_TOKENS, CLIENTS, prompt, prompt_text, write_material
from serving_peers.servers import BASE, Asked, Prompt, Server

QUICK_ROUNDS, FULL_ROUNDS = 3, 9
QUICK_S = 480.0  # no quick round begins that would end later: two minutes are left for starting and ending the servers
THREADS = max(1, (os.cpu_count() or 1) // 2)  # of each server: as the worker starts an engine
OUTCROP, INT8, LIBRARY, VLLM_NAME, BEDROCK = "outcrop", "int8", "library", "vllm", "bedrock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One piece of work: the model that each client asks, and who does it. The first says what is right."""

    models: tuple[str, ...]
    servers: tuple[str, ...]
    same: tuple[str, ...]
    prompt: Callable[[int], Prompt] = prompt

    def prompts(self) -> list[Prompt]:
        """What is asked."""
        return [self.prompt(number) for number in range(len(self.models))]


EIGHT = tuple(f"a{number % ADAPTERS}" for number in range(CLIENTS))
CELLS = {
    "one": Cell(models=(BASE,), servers=(OUTCROP, LIBRARY), same=(LIBRARY,)),
    "base16": Cell(models=(BASE,) * CLIENTS, servers=(OUTCROP, LIBRARY), same=(LIBRARY,)),
    "adapters8": Cell(models=EIGHT, servers=(OUTCROP, LIBRARY, VLLM_NAME), same=(LIBRARY,)),
    "int8": Cell(models=(BASE,), servers=(OUTCROP, INT8), same=()),
    "bedrock16": Cell(models=(BASE,) * CLIENTS, servers=(OUTCROP, BEDROCK), same=(BEDROCK,), prompt=prompt_text),
}

Rates = dict[str, dict[str, list[float]]]


def main() -> None:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("it was ended before its time"))  # and no server stays behind
    began = time.monotonic()
    cells = {name: without(CELLS[name], options.without) for name in options.only}
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder, ExitStack() as ending:
        held = start(Path(folder), options, {name for cell in cells.values() for name in cell.servers}, ending)
        rates = measure(held, cells, options.rounds, began + QUICK_S if options.quick else float("inf"))
        about = about_this_run(options, held)
    medians = {cell: {name: statistics.median(each) for name, each in found.items()} for cell, found in rates.items()}
    ratios = ratios_of(medians)
    if options.results:
        told = {**about, "ratios": ratios, "tokens_per_s": medians, "rounds": rates}
        options.results.write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(ratios))


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--quick", action="store_true", help="three rounds; ten minutes once the environments are made")
    asked.add_argument("--only", nargs="+", choices=[*CELLS], default=[*CELLS], help="these cells alone")
    asked.add_argument("--rounds", type=int, help="how often every cell runs")
    asked.add_argument("--threads", type=int, default=THREADS, help="threads of each server")
    asked.add_argument("--without", choices=[VLLM_NAME, LIBRARY], nargs="+", default=[], help="leave these peers out")
    asked.add_argument("--results", type=Path, help="write a dated result here as well")
    options = asked.parse_args()
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else FULL_ROUNDS)
    if "bedrock16" in options.only and options.threads != THREADS:
        asked.error(f"bedrock16 needs --threads {THREADS}: so many has the engine that `outcrop serve` starts")
    return options


def without(cell: Cell, left_out: Sequence[str]) -> Cell:
    """The cell with those peers left out."""

    def kept(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in left_out)

    return Cell(models=cell.models, servers=kept(cell.servers), same=kept(cell.same), prompt=cell.prompt)


def start(folder: Path, options: argparse.Namespace, wanted: set[str], ending: ExitStack) -> dict[str, Server]:
    """Every server that is wanted, ready and with the adapters. Started side by side, ended in reverse."""
    model = write_material(folder)
    adapters = [folder / f"a{number}" for number in range(ADAPTERS)]
    makers: dict[str, Callable[[], Server]] = {
        VLLM_NAME: lambda: servers.vllm(model, folder, options.threads),
        OUTCROP: lambda: servers.outcrop(model, folder, options.threads),
        INT8: lambda: servers.outcrop(model, folder, options.threads, weights=INT8),
        BEDROCK: lambda: Bedrock(model, folder),
        LIBRARY: lambda: servers.LibraryServer(model, adapters, folder, options.threads),
    }
    held: dict[str, Server] = {}
    for name, make in makers.items():
        if name in wanted:
            say(f"starting {name}")
            held[name] = make()
            ending.callback(held[name].end)
    for server in held.values():
        if isinstance(server, Asked):
            server.wait()
            server.load(adapters)
    if INT8 in held:
        say(quality_of(held[INT8]))
    return held


def quality_of(server: Server) -> str:
    """What the engine measured of its own weights in 8 bits."""
    assert isinstance(server, Asked)
    return next(line for line in server.said().splitlines() if line.startswith("In 8 bits"))


def measure(held: dict[str, Server], cells: dict[str, Cell], rounds: int, until: float) -> Rates:
    """Tokens per second by cell and server, one of each a round; a first round warms and is compared."""
    rates: Rates = {name: {server: [] for server in cell.servers} for name, cell in cells.items()}
    longest = 0.0
    for number in range(rounds + 1):
        began = time.monotonic()
        if number > 1 and began + longest > until:
            say(f"no time is left for round {number}")
            break
        for name, cell in cells.items():
            said = {}
            for server in cell.servers:
                seconds, said[server] = held[server].answer(cell.prompts(), cell.models)
                if number:
                    rates[name][server].append(len(cell.models) * ANSWER_TOKENS / seconds)
            if not number:
                compare(name, cell, said)
            else:
                told = ", ".join(f"{server} {each[-1]:.0f}/s" for server, each in rates[name].items())
                say(f"round {number} of {rounds}, {name}: {told}")
        longest = max(longest, time.monotonic() - began)
    return rates


def compare(name: str, cell: Cell, said: dict[str, list[str]]) -> None:
    """Says how many answers are equal. Ends this program where one differs that must not."""
    for server in cell.servers[1:]:
        pairs = list(zip(said[OUTCROP], said[server], strict=True))
        differing = [at for at, (mine, other) in enumerate(pairs) if mine != other]
        say(f"{name}: {len(pairs) - len(differing)} of {len(pairs)} answers of {server} equal Outcrop's")
        if differing and server in cell.same:
            mine, other = pairs[differing[0]]
            same = next((n for n, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), len(mine))
            raise SystemExit(f"{name}: answer {differing[0]} of {server} differs from character {same} on")


def ratios_of(medians: dict[str, dict[str, float]]) -> dict[str, float | None]:
    """Outcrop against the others; above 1 is faster. Null where one of the two was not run."""

    def ratio(cell: str, ours: str, theirs: str, other_cell: str | None = None) -> float | None:
        own, other = medians.get(cell, {}).get(ours), medians.get(other_cell or cell, {}).get(theirs)
        return round(own / other, 2) if own and other else None

    return {
        "adapters8_vs_vllm": ratio("adapters8", OUTCROP, VLLM_NAME),
        "adapters8_vs_peft": ratio("adapters8", OUTCROP, LIBRARY),
        "adapters8_vs_own_base": ratio("adapters8", OUTCROP, OUTCROP, "base16"),
        "base16_vs_generate": ratio("base16", OUTCROP, LIBRARY),
        "one_vs_generate": ratio("one", OUTCROP, LIBRARY),
        "int8_vs_fp32_one": ratio("int8", INT8, OUTCROP),
        "through_bedrock_vs_engine": ratio("bedrock16", BEDROCK, OUTCROP),
    }


def about_this_run(options: argparse.Namespace, held: dict[str, Server]) -> dict[str, Any]:
    """What a reader needs to judge the numbers."""
    peers = {LIBRARY: TRL.packages, VLLM_NAME: VLLM.packages}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "benchmarks/serving.py", *sys.argv[1:]]),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "cores_given": sorted(os.sched_getaffinity(0)),
        "threads_a_server": options.threads,
        "int8_quality": quality_of(held[INT8]) if INT8 in held else None,
        "processor": torch.backends.cpu.get_cpu_capability(),
        "load_average_after": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "peers": [package for name, packages in peers.items() if name in held for package in packages],
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
