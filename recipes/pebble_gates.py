"""Holds a pebble against its gates: `python recipes/pebble_gates.py [FOLDER] [--quick] [--results FILE]`.

A server on a home of its own, with every model id mapped to FOLDER (the pebble that ships, unless another is named);
jobs, models and answers through the API with boto3. About ten minutes on one core, three with --quick. Ends with 1
where a gate is not passed.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from outcrop.cli.lab import FULL
from outcrop.cli.lab.showing import Bars
from outcrop.cli.lab.stage import stage
from outcrop.families import MODELS
from outcrop.families.catalogue import PEBBLE
from pebble.gates.examination import Found, examine
from pebble.gates.verdict import FIRST_PEBBLE_BITS_PER_BYTE, FIRST_PEBBLE_PYTHON, Line, lines

SEEDS = 5
TALK = Console(stderr=True)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    began = time.monotonic()
    bits = _bits(options.folder), _bits_of_the_first(options.against)
    TALK.print(f"{bits[0]:.3f} bits a byte; teaching {3 * options.seeds} models ten facts, and four the lab's tasks")
    with stage(dict.fromkeys(MODELS, options.folder)) as clients:
        found = examine(clients, range(options.seeds), FULL, Bars(TALK))
    gates = lines(found.facts, found.tasks, found.losses, found.retrained, bits)
    result = _result(options, found, gates, time.monotonic() - began)
    Console().print(_table(gates))
    if options.results:
        options.results.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))
    return 0 if result["passed"] else 1


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


def _result(options: argparse.Namespace, found: Found, gates: Sequence[Line], seconds: float) -> dict[str, object]:
    weights = options.folder / "model.safetensors"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": "python recipes/pebble_gates.py" + (" --quick" if options.seeds < SEEDS else ""),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "pebble": options.folder.name,
        "weights_bytes": weights.stat().st_size,
        "seeds": options.seeds,
        "seconds": round(seconds),
        "passed": all(line.passed for line in gates),
        "gates": [asdict(line) for line in gates],
        "measured": asdict(found),
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=PEBBLE, help="a pebble (default: the one that ships)")
    parser.add_argument("--against", type=Path, help="the first pebble, to measure it here too")
    parser.add_argument("--quick", dest="seeds", action="store_const", const=1, default=SEEDS, help="one seed")
    parser.add_argument("--results", type=Path, help="a JSON file to write")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
