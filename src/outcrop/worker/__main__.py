"""`python -m outcrop.worker SETTINGS` (JSON): the worker's process. Started by `outcrop serve`, with its settings."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence

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
    worker = Worker(open_ground(settings_of(sys.argv[1:])))
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


def settings_of(words: Sequence[str]) -> Settings:
    """The settings that a command line tells."""
    parser = argparse.ArgumentParser(prog="outcrop.worker")
    parser.add_argument("settings", type=Settings.from_json)
    settings: Settings = parser.parse_args(words).settings
    return settings


if __name__ == "__main__":
    sys.exit(main())
