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
from pebble.shipping import FILES, command_of, extended_card, objection, objection_to_sweep

ROOT = Path(__file__).parents[1]
RECIPES_CARD = ROOT / "recipes/pebble" / CARD
RESULTS = ROOT / "benchmarks/results"


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    gates = json.loads(options.gates.read_text(encoding="utf-8"))
    examined = identity(options.folder)
    if said := objection(gates, examined) or _objection_to_sweep(options.rates, examined):
        sys.exit(said)
    curves = _curves(options.rates)
    made = (options.folder / "README.md").read_text(encoding="utf-8")
    card = extended_card(made, gates, sorted(curves))  # all texts before the first file is copied
    run = None if options.log is None else json.dumps(_run(options.log, made), indent=1) + "\n"
    for name in FILES:
        _copy(options.folder / name, options.into / name)
    for stale in {*options.into.glob("rates-*.svg")} - {options.into / name for name in curves}:
        stale.unlink()
    for name, curve in curves.items():
        _copy(curve, options.into / name)
    (options.into / "README.md").write_text(card, encoding="utf-8")
    if run is not None:
        options.results.write_text(run, encoding="utf-8")
    if options.into == PEBBLE:
        _copy(options.folder / CARD, RECIPES_CARD)
    print(f"{options.into} is now the pebble of {options.gates.name}")


def _objection_to_sweep(rates: Path | None, examined: dict[str, Any]) -> str | None:
    return None if rates is None else objection_to_sweep(json.loads(rates.read_text(encoding="utf-8")), examined)


def _curves(rates: Path | None) -> dict[str, Path]:
    """Those that lie beside a sweep's result, by their names in the package."""
    if rates is None:
        return {}
    return {f"rates{one.stem.removeprefix(rates.stem)}.svg": one for one in rates.parent.glob(f"{rates.stem}-*.svg")}


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
