"""`python -m outcrop.worker --home DIR`: the worker's process. Started by `outcrop serve`."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from outcrop.config import Settings
from outcrop.domain.lifeline import die_with_parent
from outcrop.worker.ground import open_ground
from outcrop.worker.loop import Worker


def main() -> int:
    """Work until SIGTERM or SIGINT."""
    die_with_parent()
    wait_for_the_end = _signals()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    worker = Worker(open_ground(_settings()))
    worker.start()
    wait_for_the_end()
    worker.stop()
    return 0


def _signals() -> Callable[[], object]:
    """A function that returns once SIGTERM or SIGINT has come. (A pipe: a handler that sets an Event can deadlock.)"""
    read, write = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(write, b"."))
    return lambda: os.read(read, 1)


def _settings() -> Settings:
    parser = argparse.ArgumentParser(prog="outcrop.worker")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--job-slots", type=int, default=2)
    asked = parser.parse_args()
    return Settings(home=asked.home, job_slots=asked.job_slots)


if __name__ == "__main__":
    sys.exit(main())
