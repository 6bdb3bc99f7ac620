"""Sweeps learning rates: `python recipes/pebble_rates.py [FOLDER] --results FILE.json` (about ten CPU-minutes).

Teaches a pebble ten facts, and one of the lab's tasks, at every rate, LoRA rank and batch size, in this process; writes
the scores, a curve of each subject beside them (FILE-SUBJECT.svg) and the constants that follow for outcrop.json, which
--adopt writes down there. Subjects may be swept in processes of their own: --known takes over what those measured.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

# Torch and its libraries read this as they load: one thread, so that CPU time is the same on any machine.
THREADS = {"OMP_NUM_THREADS": "1"}
RATES = (2e-4, 5e-4, 1e-3, 2e-3, 4e-3, 8e-3)
RANKS = (16, 8, 32)  # the reference first
BATCHES = (1, 32)
FACT_ROWS = 400
SEED = 0
TITLES = {"facts": "Ten facts, 400 rows, 3 epochs", "task": "The lab's records, 600 rows, 3 epochs"}


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    from outcrop.worker.drawn import svg
    from pebble.identity import write_card
    from pebble.rates import proposed
    from pebble.rates_figure import rates_figure

    points = []
    for point in _points(options):
        points.append(point)
        said = f"{point.subject}: rate {point.rate:.1e}, rank {point.rank}, batch {point.batch_size}"
        print(f"{said}: {point.exact:.0%} in {point.steps} steps, {point.cpu_s} CPU-s", flush=True)
        options.results.write_text(json.dumps(_result(options, points, proposed(points)), indent=1) + "\n")
    if options.adopt:
        write_card(_result(options, points, proposed(points))["card"], options.folder)
    for subject in options.subjects:
        mine = [point for point in points if point.subject == subject]
        drawn = svg(rates_figure(f"{TITLES[subject]}: right answers by learning rate", mine))
        options.results.with_name(f"{options.results.stem}-{subject}.svg").write_bytes(drawn)
    print(json.dumps(proposed(points)))
    return 0


def _points(options: argparse.Namespace) -> Iterator:
    """Every point: as it is measured, the quick subject first, or as it is known."""
    from pebble.teaching import Setting

    lessons, known = {"facts": _facts, "task": _task}, _known(options)
    for subject in options.subjects:
        lesson = lessons[subject]()
        for batch_size in options.batches:
            for rank in options.ranks if subject == "facts" else options.ranks[:1]:
                for rate in options.rates:
                    setting = Setting(rate=rate, rank=rank, batch_size=batch_size)
                    yield known.get((subject, setting)) or _measured(options.folder, subject, lesson, setting)


def _measured(folder: Path, subject: str, lesson, setting):
    from pebble.rates import Point
    from pebble.teaching import teach

    taught = teach(folder, lesson, setting)
    return Point(
        subject=subject,
        rate=setting.rate,
        rank=setting.rank,
        batch_size=setting.batch_size,
        exact=taught.exact,
        loss=round(taught.loss_after, 4),
        steps=taught.steps,
        cpu_s=taught.cpu_s,
    )


def _known(options: argparse.Namespace) -> dict:
    """What earlier sweeps of the same weights measured, by subject and setting."""
    from outcrop.domain.checkpoint_digest import digest_of
    from pebble.rates import Point
    from pebble.teaching import Setting

    digest, points = digest_of(options.folder), []
    for result in (json.loads(path.read_text()) for path in options.known):
        if result["digest"] != digest:
            sys.exit(f"The sweep of {result['date']} was of another pebble than {options.folder}.")
        points += [Point(**point) for point in result["points"]]
    return {(one.subject, Setting(rate=one.rate, rank=one.rank, batch_size=one.batch_size)): one for one in points}


def _facts():
    from pebble.gates.facts import facts, rows_of
    from pebble.teaching import Lesson

    known = facts(SEED)
    return Lesson.of_pairs(rows_of(known, FACT_ROWS, SEED), known)


def _task():
    from outcrop.cli.lab import FULL
    from outcrop.cli.lab.tasks import all_tasks
    from outcrop.cli.lab.texts import everything
    from pebble.teaching import Lesson

    task = next(task for task in all_tasks(everything(), FULL) if task.name == "claude")
    said = [[message["content"] for message in row["messages"]] for row in task.rows]
    return Lesson.of_pairs([(question, answer) for question, answer in said], task.held_out)


def _result(options: argparse.Namespace, points: Sequence, constants: dict[str, float]) -> dict[str, object]:
    from outcrop.domain.checkpoint_digest import digest_of
    from pebble.identity import card_of
    from pebble.rates import card_with

    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "digest": digest_of(options.folder),
        "cpu_minutes": round(sum(point.cpu_s for point in points) / 60, 1),
        "proposed": constants,
        "card": card_with(card_of(options.folder), constants),
        "points": [asdict(point) for point in points],
    }


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    from outcrop.families.catalogue import PEBBLE

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=PEBBLE, help="a pebble (default: the one that ships)")
    parser.add_argument("--results", type=Path, required=True, help="a JSON file; it is kept after every point")
    parser.add_argument("--known", type=Path, nargs="+", default=(), help="results whose points are taken over")
    parser.add_argument("--adopt", action="store_true", help="write the constants that follow into FOLDER/outcrop.json")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--ranks", type=int, nargs="+", default=RANKS, help="the first one is the lab task's")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--subjects", nargs="+", choices=tuple(TITLES), default=tuple(TITLES))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in THREADS.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **THREADS})
    sys.exit(main(sys.argv[1:]))
