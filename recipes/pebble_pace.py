"""Is a pebble no slower in the lab than another? `python recipes/pebble_pace.py FOLDER OTHER [--results FILE]`.

The whole lab through the API (four jobs, provisioning, every question to base and custom), on a server of its own for
each, in turns; what counts is the processor time of the server and all its children. About three minutes a round.
"""

import argparse
import json
import platform
import resource
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console

from outcrop.cli.lab import FULL, SMALL, asking, course
from outcrop.cli.lab.showing import Bars
from outcrop.cli.lab.stage import stage
from outcrop.cli.lab.tasks import Size, all_tasks
from outcrop.cli.lab.texts import everything
from outcrop.domain.checkpoint_digest import digest_of
from outcrop.families import MODELS
from pebble.machine import machine

TALK = Console(stderr=True)


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    folders = {"pebble": options.folder, "other": options.other}
    spent: dict[str, list[float]] = {name: [] for name in folders}
    for _ in range(options.rounds):
        for name, folder in folders.items():
            spent[name].append(round(lab_cpu_s(folder, SMALL if options.small else FULL), 1))
            TALK.print(f"{name}: {spent[name][-1]} CPU-s")
    result = _result(arguments, folders, spent)
    if options.results:
        options.results.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result))


def lab_cpu_s(folder: Path, size: Size) -> float:
    """Processor seconds of a whole lab with `folder` behind every model id."""
    before = _children_cpu_s()
    with stage(dict.fromkeys(MODELS, folder)) as clients:
        bars, place = Bars(TALK), course.set_up(clients)
        with bars.progress:
            done = course.customize(clients, place, all_tasks(everything(), size), bars)
            course.provision(clients, place, done)
            for one in done:
                for model_id in (one.task.on_demand, one.provisioned_arn):
                    counter = bars.counter(f"{one.task.name}: asking", len(one.task.held_out))
                    asking.ask(clients, model_id, one.task.held_out, counter)
    return _children_cpu_s() - before


def _children_cpu_s() -> float:
    """Of every child that has ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _result(arguments: Sequence[str], folders: dict[str, Path], spent: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "recipes/pebble_pace.py", *arguments]),
        "machine": f"{machine()}, Python {platform.python_version()}",
        "digests": {name: digest_of(folder) for name, folder in folders.items()},
        "cpu_s": spent,
        "ratio": round(fmean(spent["pebble"]) / fmean(spent["other"]), 3),
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a pebble")
    parser.add_argument("other", type=Path, help="the one that it is compared with")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a few rows only, to try it out")
    parser.add_argument("--results", type=Path, help="a JSON file to write")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
