"""Starts the engine: `python -m outcrop.inference --checkpoint DIR --socket PATH [--threads N] [--weights int8]`.

The socket opens when the checkpoint is loaded: whoever can connect can ask.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette

from outcrop.domain.lifeline import die_with_parent
from outcrop.domain.weights import FLOAT32, WEIGHTS
from outcrop.inference.listening import listening

ROWS = 16
CACHE_MIB = 1024
PREFIX_MIB = 256
MODELS_MIB = 1024
MIB = 2**20
AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command line. `cache_mib` bounds the memory of keys and values of all answers together, `prefix_mib` that of
    kept beginnings of prompts, `models_mib` that of evictable models.

    `capacity`: where what the machine does for the checkpoint is kept; None: it is measured and not kept.
    """

    checkpoint: Path
    socket: Path
    threads: int
    rows: int
    cache_mib: int
    prefix_mib: int
    models_mib: int
    device: str
    capacity: Path | None
    weights: str


def main(line: Sequence[str] | None = None) -> None:
    """Load, open the socket, serve until SIGTERM or until the parent dies."""
    die_with_parent()
    arguments = read_arguments(line)
    # Before torch is loaded. Weights and keys are read from end to end each step: with pages of 4 kB a tenth of a step
    # goes by in looking up where they lie.
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import uvicorn

    app = _load(arguments)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, ws="none")
    uvicorn.Server(config).run(sockets=[listening(arguments.socket)])


def read_arguments(line: Sequence[str] | None) -> Arguments:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m outcrop.inference", description=__doc__)
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="folder of a checkpoint in Hugging Face's layout"
    )
    parser.add_argument("--socket", type=Path, required=True, help="unix socket to serve on")
    parser.add_argument("--threads", type=int, default=1, help="threads for tensors")
    parser.add_argument("--rows", type=int, default=ROWS, help="answers side by side")
    parser.add_argument(
        "--cache-mib", type=int, default=CACHE_MIB, help="memory for keys and values of answers, at most"
    )
    parser.add_argument("--prefix-mib", type=int, default=PREFIX_MIB, help="memory for beginnings of prompts; 0: none")
    parser.add_argument(
        "--models-mib", type=int, default=MODELS_MIB, help="memory for models beside the base that may be evicted"
    )
    parser.add_argument("--device", default=AUTO, help="as torch names it; auto: CUDA where there is one")
    parser.add_argument("--capacity", type=Path, help="file that keeps the measured tokens a second")
    parser.add_argument("--weights", choices=WEIGHTS, default=FLOAT32, help="what weights are kept in")
    return Arguments(**vars(parser.parse_args(line)))


def _load(arguments: Arguments) -> Starlette:
    import torch

    from outcrop.inference.desk import Desk
    from outcrop.inference.face import Parts, create_app
    from outcrop.inference.loading import Wishes, load_engine
    from outcrop.inference.measuring import known_or_measured
    from outcrop.inference.prompts import Prompts
    from outcrop.inference.scheduler import Scheduler
    from outcrop.inference.shares import Shares
    from outcrop.text import Tokenizer

    torch.set_num_threads(arguments.threads)
    device = torch.device(device_named(arguments.device, torch.cuda.is_available()))
    wishes = Wishes(
        rows=arguments.rows, cache_bytes=arguments.cache_mib * MIB, prefix_bytes=arguments.prefix_mib * MIB,
        models_bytes=arguments.models_mib * MIB, weights=arguments.weights,
    )  # fmt: skip
    loaded = load_engine(arguments.checkpoint, device, wishes)
    tokenizer = Tokenizer.load(arguments.checkpoint)
    shares = Shares(known_or_measured(arguments.capacity, loaded, clock_of(device.type)), loaded.limits.rows)
    desk = Desk(Scheduler(loaded.limits, tokenizer.stop_ids, shares, loaded.prefixes), loaded.doer, shares)
    parts = Parts(
        desk=desk, models=loaded.models, prompts=Prompts(tokenizer), limits=loaded.limits, shares=shares,
        prefixes=loaded.prefixes,
    )  # fmt: skip
    return create_app(parts)


def clock_of(device: str) -> Callable[[], float]:
    """What measures steps: on a CPU the thread's processor time, from which other programs take nothing away."""
    return time.thread_time if device == "cpu" else time.perf_counter


def device_named(asked: str, has_cuda: bool) -> str:
    """The device that a word of the command line means on a machine with or without CUDA."""
    if asked != AUTO:
        return asked
    return "cuda" if has_cuda else "cpu"


if __name__ == "__main__":
    main()
