"""Trains shapes of pebble for the same CPU time and writes the table: `python recipes/pebble_shapes.py --results FILE`.

One core, one after the other; each row is kept as soon as it is there, and `--only` adds rows to what FILE holds.
"""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from pebble.allocator import require_allocator


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    import torch

    from pebble.material import read_corpus
    from pebble.trials import CANDIDATES, Bench

    torch.set_num_threads(1)
    bench = Bench(read_corpus(options.every), options.seed, 60 * options.cpu_minutes)
    for name in options.only.split(",") if options.only else CANDIDATES:
        row = bench.measure(CANDIDATES[name])
        print(json.dumps({"name": name, **row}), flush=True)
        if options.results:
            _keep(options.results, f"{name}, {options.cpu_minutes:g} CPU-minutes", row)


def _keep(path: Path, name: str, row: dict[str, object]) -> None:
    """Adds a row to the table in `path`, in the place of an earlier one of its name."""
    table = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"about": _about(), "candidates": {}}
    table["candidates"][name] = row
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _about() -> dict[str, str]:
    from pebble.machine import machine

    return {
        "command": "python recipes/pebble_shapes.py",
        "machine": machine(),
        "python": platform.python_version(),
        "what": "each candidate trained on one core for the same time in steps, then measured; the same material",
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="the table, as JSON")
    parser.add_argument("--cpu-minutes", type=float, default=4.0, help="for each candidate")
    parser.add_argument("--only", help="names of candidates, with commas between")
    parser.add_argument("--every", type=int, default=1, help="read only every nth module, to try it out")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    require_allocator()
    main(sys.argv[1:])
