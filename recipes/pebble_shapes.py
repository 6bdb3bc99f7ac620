"""Trains shapes of pebble for the same CPU time and writes the table: `python recipes/pebble_shapes.py --results FILE`.

One core, in turns. A second run with other candidates (`--only`) adds its rows to what FILE holds.
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
    chosen = {name: CANDIDATES[name] for name in (options.only.split(",") if options.only else CANDIDATES)}
    bench, rows = Bench(read_corpus(options.every), options.seed), {}
    for name, row in bench.measure(chosen, 60 * options.minutes):
        print(json.dumps({"name": name, **row}), flush=True)
        rows[name] = row
    if options.results:
        _keep(options.results, rows)


def _keep(path: Path, rows: dict[str, dict[str, object]]) -> None:
    """Adds a run's rows to those in `path`: only rows of one run have had the same time."""
    table = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"about": _about(), "runs": []}
    table["runs"].append(rows)
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _about() -> dict[str, str]:
    from pebble.machine import machine

    return {
        "command": "python recipes/pebble_shapes.py",
        "machine": machine(),
        "python": platform.python_version(),
        "what": "the candidates of a run take turns on one core, each for the same CPU time; the same material for all",
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="the table, as JSON")
    parser.add_argument("--minutes", type=float, default=40.0, help="wall clock, for all candidates together")
    parser.add_argument("--only", help="names of candidates, with commas between")
    parser.add_argument("--every", type=int, default=1, help="read only every nth module, to try it out")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    require_allocator()
    main(sys.argv[1:])
