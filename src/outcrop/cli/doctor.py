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
import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from outcrop.cli.options import engine_options, find_server, home_option
from outcrop.config import Settings
from outcrop.domain.engine_choice import VLLM_KEY, engine_choice
from outcrop.domain.errors import OutcropError, SettingsError
from outcrop.domain.plan import LoraPlan
from outcrop.families import Catalogue, lacking_files
from outcrop.inference.vllm.adapters import NO_LOADING
from outcrop.inference.vllm.peer import Address, Peer, PeerLost, PeerRefused
from outcrop.modeling.compiler import found_compiler, libraries_folder
from outcrop.store import models
from outcrop.store.database import Database
from outcrop.store.engines import require_sockets_folder
from outcrop.store.refused_models import REFUSED_MODELS, every
from outcrop.worker.engine_kinds import require_engines, vllm_command
from outcrop.worker.estimating import shape_of
from outcrop.worker.room import adapter_bytes

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
@engine_options
def doctor(home: Path, port: int, engine: tuple[str, ...], vllm: str | None) -> None:
    """Look at this machine and say what would be in the way."""
    machine = [_python(), *_packages(), _pebble(), _disk(home), _memory(), _memory_folder(home), _compiler()]
    engines = _engines(Settings(home=home.resolve(), engine=engine, vllm=vllm))
    findings = [*machine, _home(home), *_mapped(home), *_refused(home), _socket(home), _port(home, port), *engines]
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
        version = _version(name) if found else "missing"
        yield Finding(found, f"{name} {version}", f"pip install {name}")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # installed under another name, or from source
        return "of unknown version"


def _pebble() -> Finding:
    weights = files("outcrop") / "pebbles" / "text" / "model.safetensors"
    return Finding(weights.is_file(), "the pebble, the built-in text model", "reinstall outcrop: its wheel carries it")


def _home(home: Path) -> Finding:
    place = _existing(home)
    good = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return Finding(good, f"home {home}", f"make {place} a folder that can be written to, or name another with --home")


def _mapped(home: Path) -> Iterator[Finding]:
    """Every checkpoint that a model id of this home is mapped to."""
    try:
        folders = Catalogue.load(Settings(home=home.resolve()).catalogue_file).folders
    except SettingsError:  # said with the memory that the largest of them would take
        return
    for model_id, folder in folders.items():
        lacking = lacking_files(folder)
        what = f"the checkpoint of {model_id}, {folder}"
        mend = f"put its files back, or map another folder: outcrop models map {model_id} FOLDER"
        yield Finding(lacking is None, what if lacking is None else f"{what}: {lacking}", mend)


def _refused(home: Path) -> Iterator[Finding]:
    """Every custom model that is provisioned or deployed and that its engine did not take when that was last tried."""
    settings = Settings(home=home.resolve())
    if not settings.database_file.exists():
        return
    database = Database(settings.database_url)
    try:
        with database.read() as connection:
            known = sa.inspect(connection).has_table(REFUSED_MODELS.name)  # not in a home of an earlier release
            refused = every(connection) if known else {}
            names = {model_id: models.by_id(connection, model_id) for model_id in refused}
    except DatabaseError as error:
        yield Finding(False, "the home's database can be read", f"it cannot: {error.orig}")
        return
    finally:
        database.close()
    for model_id, why in refused.items():
        model = names[model_id]
        yield Finding(False, f"the custom model {model.name if model else model_id} can be served", f"it cannot: {why}")


def _socket(home: Path) -> Finding:
    try:
        require_sockets_folder(Settings(home=home.resolve()))
    except SettingsError as error:
        return Finding(False, "engines have a private folder to listen in", str(error))
    return Finding(True, "engines have a private folder to listen in")


def _disk(home: Path) -> Finding:
    free = shutil.disk_usage(_existing(home)).free
    return Finding(free >= NEEDED_DISK_BYTES, f"{free / 1024**3:.1f} GiB of disk free", "free at least 2 GiB")


def _existing(home: Path) -> Path:
    return next(place for place in (home.resolve(), *home.resolve().parents) if place.exists())


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    return Finding(free >= NEEDED_MEMORY_BYTES, f"{free / 1024**3:.1f} GiB of memory free", "free at least 2 GiB")


def _memory_folder(home: Path) -> Finding:
    what = f"{MEMORY_FOLDER}, memory-backed storage"
    if not os.access(MEMORY_FOLDER, os.W_OK):
        return Finding(
            False, what, "without it, plaintext adapters pass through a file in the home folder for a moment"
        )
    try:
        needed, largest = _largest_adapter(home)
    except OutcropError as error:
        return Finding(False, "the catalogue of models can be read", str(error))
    free = shutil.disk_usage(MEMORY_FOLDER).free
    mend = (
        f"an adapter of rank {LoraPlan().rank} on {largest} takes {needed / 1e6:,.0f} MB there while an engine loads "
        "it: make it larger, docker run --shm-size 1g"
    )
    return Finding(free >= needed, f"{what}, {free / 1e6:,.0f} MB free", mend)


def _largest_adapter(home: Path) -> tuple[int, str]:
    """Bytes that an adapter of the usual rank takes on the largest checkpoint of the home, and which that is."""
    catalogue = Catalogue.load(Settings(home=home.resolve()).catalogue_file)
    folders = {catalogue.checkpoint_for(model_id).path for model_id in catalogue.models()}
    shapes = ((shape_of(folder), folder) for folder in folders)
    return max((adapter_bytes(shape, LoraPlan()), str(folder)) for shape, folder in shapes if shape)


def _compiler() -> Finding:
    """Good either way: torch does the same, at a lower speed."""
    found = found_compiler()
    if found is None:
        return Finding(True, "no C++ compiler: training runs on torch alone, at a lower speed (hint: install g++)")
    return Finding(True, f"{found} compiles steps of training, once, into {libraries_folder()}")


def _engines(settings: Settings) -> Iterator[Finding]:
    """Nothing for the embedded engine, which is there."""
    try:
        require_engines(settings)
        choice = engine_choice(settings.engine)
        if choice.starts_vllm:
            yield Finding(True, f"vLLM is started by {vllm_command(settings)}")
    except SettingsError as error:
        yield Finding(False, "the engines that were chosen can be started", str(error))
        return
    for url in choice.urls:
        yield _vllm_at(url)


def _vllm_at(url: str) -> Finding:
    """A server that is another's: does it answer, and take adapters?"""
    peer = Peer(Address(url=url, key=os.environ.get(VLLM_KEY)))
    try:
        if not peer.healthy():
            return Finding(False, f"vLLM answers at {url}", f"start it, or name another; a key stands in {VLLM_KEY}")
        names = ", ".join(card.name for card in peer.cards() if card.parent is None)
        return Finding(peer.loads_adapters(), f"vLLM at {url} serves {names} and takes adapters", NO_LOADING)
    except (PeerLost, PeerRefused) as error:
        return Finding(False, f"vLLM answers at {url}", str(error))


def _port(home: Path, port: int) -> Finding:
    found = find_server(home)
    if found is not None:
        return Finding(True, f"a server runs on this home already, at {found.url}")
    with socket.socket() as probe:
        free = probe.connect_ex(("127.0.0.1", port)) != 0
    return Finding(free, f"port {port} free", "something listens there: name another with outcrop serve --port")
