"""Puts a pebble into the package: `python recipes/pebble_ship.py FOLDER --gates FILE [--rates FILE] [--log FILE]`.

Only one that passed: every gate, measured on these very files with this very card (`pebble_gates.py --results`). What
it was shown to learn goes into its model card, the sweep's curves beside it, and the run's log becomes a dated result.
"""

import argparse
import json
import platform
import shutil
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from outcrop.families.catalogue import CARD, PEBBLE
from pebble.identity import identity
from pebble.shipping import FILES, command_of, extended_card, objection

ROOT = Path(__file__).parents[1]
RECIPES_CARD = ROOT / "recipes/pebble" / CARD
RESULTS = ROOT / "benchmarks/results"


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    gates = json.loads(options.gates.read_text(encoding="utf-8"))
    if said := objection(gates, identity(options.folder)):
        sys.exit(said)
    curves = [] if options.rates is None else sorted(options.rates.parent.glob(f"{options.rates.stem}-*.svg"))
    for name in FILES:
        _copy(options.folder / name, options.into / name)
    for curve in curves:
        _copy(curve, options.into / f"rates{curve.stem.removeprefix(options.rates.stem)}.svg")
    card = (options.folder / "README.md").read_text(encoding="utf-8")
    (options.into / "README.md").write_text(extended_card(card, gates, _names(options.into)), encoding="utf-8")
    if options.log is not None:
        run = _run(options.log, card)
        options.results.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    if options.into == PEBBLE:
        _copy(options.folder / CARD, RECIPES_CARD)
    print(f"{options.into} is now the pebble of {options.gates.name}")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("rates-*.svg"))


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    part.replace(target)


def _run(log: Path, card: str) -> dict[str, Any]:
    """The run, with the command that the card names. To be called on the machine where it was made."""
    from pebble.log import read_log
    from pebble.machine import machine
    from pebble.run_result import run_result

    about = {
        "date": time.strftime("%Y-%m-%d"),
        "command": command_of(card),
        "machine": f"{machine()}, Python {platform.python_version()}, torch {version('torch')}",
    }
    return about | run_result(read_log(log))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    today = time.strftime("%Y-%m-%d")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what recipes/pebble_text.py made")
    parser.add_argument("--gates", type=Path, required=True, help="what recipes/pebble_gates.py said of it")
    parser.add_argument("--rates", type=Path, help="a sweep's result; its curves lie beside it")
    parser.add_argument("--log", type=Path, help="the run's log.jsonl, to be kept as --results")
    parser.add_argument("--results", type=Path, default=RESULTS / f"pebble_run_{today}-shipped.json")
    parser.add_argument("--into", type=Path, default=PEBBLE, help="another folder, to see what it would be")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
