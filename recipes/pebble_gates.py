"""Holds a pebble against its gates: `python recipes/pebble_gates.py [FOLDER] [--quick] [--results FILE]`.

A server on a home of its own, with every model id mapped to FOLDER (the pebble that ships, unless another is named);
jobs, models and answers through the API with boto3. About ten minutes on one core, three with --quick. Parts may be
examined in processes of their own (--only, --seeds), and are put together with --merge. Ends with 1 where a gate that
was measured is not passed.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from outcrop.cli.lab import FULL
from outcrop.cli.lab.showing import Bars
from outcrop.cli.lab.stage import stage
from outcrop.families import MODELS
from outcrop.families.catalogue import PEBBLE
from pebble.gates.examination import Wanted, examine
from pebble.gates.found import Found, together
from pebble.gates.verdict import FIRST_PEBBLE_BITS_PER_BYTE, FIRST_PEBBLE_PYTHON, SEEDS, Line, lines, missing
from pebble.identity import WEIGHTS, identity

PARTS = ("text", "facts", "lab", "pretraining")
TALK = Console(stderr=True)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    began = time.monotonic()
    against = _bits_of_the_first(options.against)
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in options.merge]
    found = _merged(runs, identity(options.folder)) if runs else _measured(options)
    gates = lines(found, (options.folder / WEIGHTS).stat().st_size, against)
    result = _about(options, runs, time.monotonic() - began) | _verdict(found, gates)
    if options.results:
        options.results.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))
    TALK.print(_table(gates))
    if result["missing"]:
        TALK.print("not measured: " + "; ".join(result["missing"]))
    return 0 if result["passed"] else 1


def _measured(options: argparse.Namespace) -> Found:
    """What was asked for, measured now."""
    bits = _bits(options.folder) if "text" in options.only else None
    wanted = Wanted(
        seeds=options.seeds if "facts" in options.only else (),
        tasks="lab" in options.only,
        pretraining="pretraining" in options.only,
    )
    if wanted.nothing:
        return Found(bits=bits)
    with stage(dict.fromkeys(MODELS, options.folder)) as clients:
        return replace(examine(clients, wanted, FULL, Bars(TALK)), bits=bits)


def _merged(runs: Sequence[dict[str, Any]], examined: dict[str, Any]) -> Found:
    """What earlier runs measured. They must be of this very pebble, with this very card."""
    for run in runs:
        if run["examined"] != examined:
            sys.exit(f"{run['command']} of {run['date']} examined another pebble than the one here, or another card.")
    return together(Found.of(run["measured"]) for run in runs)


def _bits(folder: Path) -> float:
    """Bits a byte of the reserved docstrings, in this process: no API has a word for it."""
    from tokenizers import Tokenizer

    from outcrop.modeling.llama import Llama
    from pebble.gauge import bits_per_byte, held_out_texts

    return bits_per_byte(Llama.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json")), held_out_texts())


def _bits_of_the_first(against: Path | None) -> float:
    if against is not None:
        return _bits(against)
    if not platform.python_version().startswith(FIRST_PEBBLE_PYTHON + "."):
        sys.exit(
            f"The first pebble was measured on the docstrings of Python {FIRST_PEBBLE_PYTHON}; "
            f"this is {platform.python_version()}. Measure it here: --against FOLDER."
        )
    return FIRST_PEBBLE_BITS_PER_BYTE


def _table(gates: Sequence[Line]) -> Table:
    shown = Table(title="the pebble's gates", title_justify="left", box=None, header_style="bold")
    for column in ("gate", "measured", "must be", ""):
        shown.add_column(column)
    for line in gates:
        shown.add_row(line.gate, line.measured, line.bar, "passed" if line.passed else "FAILED")
    return shown


def _about(options: argparse.Namespace, runs: Sequence[dict[str, Any]], seconds: float) -> dict[str, Any]:
    """When, how, where and on what; of runs that were put together, theirs."""
    given = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "recipes/pebble_gates.py", *given]),
        "runs": [{name: run[name] for name in ("date", "command", "machine", "seconds")} for run in runs],
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "weights_bytes": (options.folder / WEIGHTS).stat().st_size,
        "examined": identity(options.folder),
        "seconds": round(sum(run["seconds"] for run in runs) or seconds),
    }


def _verdict(found: Found, gates: Sequence[Line]) -> dict[str, Any]:
    """`passed` is of what was measured; a pebble ships where nothing is missing, too."""
    return {
        "passed": all(line.passed for line in gates),
        "missing": list(missing(found)),
        "gates": [asdict(line) for line in gates],
        "measured": asdict(found),
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=PEBBLE, help="a pebble (default: the one that ships)")
    parser.add_argument("--against", type=Path, help="the first pebble, to measure it here too")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="the parts to examine")
    parser.add_argument("--seeds", type=int, nargs="+", default=range(SEEDS), help="the seeds of the facts")
    parser.add_argument("--quick", dest="seeds", action="store_const", const=(0,), help="one seed")
    parser.add_argument("--merge", type=Path, nargs="+", default=(), help="results of parts: measure nothing")
    parser.add_argument("--results", type=Path, help="a JSON file to write")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
