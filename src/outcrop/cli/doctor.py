"""`outcrop doctor`: would Outcrop run here? Every finding says what to do. Changes nothing."""

import importlib.metadata
import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import click
import psutil

from outcrop.cli.options import home_option

NEEDED_DISK_BYTES = 2 * 1024**3
NEEDED_MEMORY_BYTES = 2 * 1024**3
MEMORY_FOLDER = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    good: bool
    what: str
    mend: str = ""


@click.command()
@home_option
@click.option("--port", default=8600, show_default=True, help="The port that the server shall listen on.")
def doctor(home: Path, port: int) -> None:
    """Look at this machine and say what would be in the way."""
    findings = [_python(), *_packages(), _pebble(), _home(home), _disk(home), _memory(), _memory_folder(), _port(port)]
    for finding in findings:
        click.echo(f"{'ok  ' if finding.good else 'BAD '} {finding.what}")
        if not finding.good:
            click.echo(f"     hint: {finding.mend}")
    if not all(finding.good for finding in findings):
        raise SystemExit(1)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(sys.version_info >= (3, 11), f"Python {version}", "install Python 3.11 or newer")


def _packages() -> Iterator[Finding]:
    for name in ("torch", "tokenizers", "safetensors", "tink", "botocore"):
        found = importlib.util.find_spec(name) is not None
        version = importlib.metadata.version(name) if found else "missing"
        yield Finding(found, f"{name} {version}", f"pip install {name}")


def _pebble() -> Finding:
    weights = files("outcrop") / "pebbles" / "text" / "model.safetensors"
    return Finding(weights.is_file(), "the pebble, the built-in text model", "reinstall outcrop: its wheel carries it")


def _home(home: Path) -> Finding:
    place = next(parent for parent in (home, *home.resolve().parents) if parent.exists())
    return Finding(os.access(place, os.W_OK), f"home {home}", f"make {place} writable, or choose another with --home")


def _disk(home: Path) -> Finding:
    place = next(parent for parent in (home, *home.resolve().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    return Finding(free >= NEEDED_DISK_BYTES, f"{free / 1024**3:.1f} GiB of disk free", "free at least 2 GiB")


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    return Finding(free >= NEEDED_MEMORY_BYTES, f"{free / 1024**3:.1f} GiB of memory free", "free at least 2 GiB")


def _memory_folder() -> Finding:
    mend = "without it, plaintext adapters pass through a file in the home folder for a moment"
    return Finding(os.access(MEMORY_FOLDER, os.W_OK), f"{MEMORY_FOLDER}, memory-backed storage", mend)


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", port)) != 0
    return Finding(free, f"port {port} free", f"something listens there: outcrop serve --port {port + 1}")
